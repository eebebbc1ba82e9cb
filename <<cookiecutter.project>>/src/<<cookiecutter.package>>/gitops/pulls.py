"""Pull requests, as workflows open them. Standard library only."""

import os
from typing import Any

from ..errors import ProjectError
from . import github

SETTING = "Settings, Actions, General, Allow GitHub Actions to create and approve pull requests"


def create(body: dict[str, str], address: str) -> int:
    """Open one; its number.

    Args:
        body: title, body, head and base.
        address: where a person opens it in a browser.

    Raises:
        ProjectError: GitHub refuses; where its settings do, which one to switch on.
    """
    try:
        opened = github.ask("POST", "/pulls", body, lambda: find(body["head"], body["base"]))
        return int(opened["number"])
    except ProjectError as error:
        said = str(error)
        if "not permitted to create" in said:
            said = f"GitHub does not let Actions open pull requests here: switch on {SETTING}, and "
            said += "run this again"
        raise ProjectError(f"{said}; or open it yourself: {address}") from None


def find(branch: str, base: str) -> dict[str, Any] | None:
    """The open pull request of a branch of this repository; None where there is none."""
    owner = os.environ["GITHUB_REPOSITORY"].partition("/")[0]
    found = github.pages("/pulls", f"base={base}&head={owner}:{branch}")
    return found[0] if found else None


def number(branch: str, base: str) -> int | None:
    found = find(branch, base)
    return int(found["number"]) if found else None
