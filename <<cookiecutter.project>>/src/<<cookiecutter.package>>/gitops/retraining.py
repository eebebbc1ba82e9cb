"""The pull requests of the nightly retraining: from git where they were merged, else from GitHub.

Git does not know what was opened and never merged. GitHub does, and what it once said is kept in
the page's data.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import github, laptop
from .history import Commit

BRANCH = "retrain"
MERGED = re.compile(rf"Merge pull request #(\d+) from [^/\s]+/{BRANCH}$")

Pulls = dict[int, dict[str, str]]
"""By their numbers: when each was opened, closed and merged; empty where it was not, or where
nobody knows."""


def asked(root: Path, remote: str) -> Pulls:
    """What GitHub says of all that were ever opened.

    Raises:
        ProjectError: it cannot be asked, or refuses.
    """
    if "GITHUB_ACTIONS" not in os.environ:
        laptop.sign_in(root, remote)
    owner = os.environ["GITHUB_REPOSITORY"].partition("/")[0]
    found = github.pages("/pulls", f"state=all&base=main&head={owner}:{BRANCH}")
    return {int(each["number"]): entry(each) for each in found}


def entry(found: dict[str, Any]) -> dict[str, str]:
    keys = {"opened": "created_at", "closed": "closed_at", "merged": "merged_at"}
    return {name: str(found.get(key) or "") for name, key in keys.items()}


def in_git(chain: Iterable[Commit]) -> set[int]:
    """Those that the history of `main` names as merged; a squash does not say its branch."""
    found = (MERGED.match(commit.subject) for commit in chain)
    return {int(each[1]) for each in found if each}
