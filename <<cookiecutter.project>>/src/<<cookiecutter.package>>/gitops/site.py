"""`make site`: what git, the report files and GitHub know, as one page and as the data behind it.

Nothing in it comes from a clock, so the same history gives the same bytes.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..page import document
from ..staleness import Decay, Score
from . import laptop, operations, retraining
from .audit import entries
from .history import commits, first_parents, releases
from .lock import RELEASE, git, show, tip
from .models import models, newest, parsed
from .publish import head, login
from .start import RECORD

MAIN, BRANCH = "main", "gh-pages"
PAGE, DATA = "index.html", "data.json"
FORMAT = 1

Data = dict[str, Any]


def run(root: Path, remote: str, folder: Path) -> None:
    """Write the page and its data into a folder.

    Raises:
        ProjectError: there is no commit of `main`, the history is cut off, or the page before
            cannot be read.
    """
    data = gather(root, remote, before(root, remote))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(document.page(data), encoding="utf-8")
    text = json.dumps(data, indent=1, ensure_ascii=False)
    (folder / DATA).write_text(f"{text}\n", encoding="utf-8")
    print(f"site: {len(data['models'])} models, {len(data['releases'])} releases; {folder / PAGE}")
    if data["unasked"]:
        print(f"site: GitHub was not asked: {data['unasked']}")


def gather(root: Path, remote: str, kept: Data) -> Data:
    """All that the page shows.

    Args:
        kept: the data of the page before; empty where there was none.
    """
    main, release = tip(root, MAIN), tip(root, RELEASE)
    if main is None:
        raise ProjectError(f"there is no branch {MAIN!r} to tell of: commit first, or fetch it")
    known = releases(release, root) if release else []
    came = models(main, root)
    merged = retraining.in_git(first_parents(commits(root, main)))
    as_of = newest(root, main, *([release] if release else []))
    pulls = asked(root, remote, kept, as_of)
    numbers = operations.numbers(known, came, pulls.pop("known"), merged)
    return {
        "format": FORMAT,
        "name": name(root, remote),
        "web": web(root, remote),
        "as_of": as_of,
        "main": main,
        "release": release or "",
        **pulls,
        "models": [asdict(each) for each in came],
        "releases": entries(root),
        "moves": [
            {
                "version": f"v{step.release.number}",
                "model": step.release.model,
                "since": step.since,
                "back": step.back,
            }
            for step in operations.steps(known)
        ],
        "numbers": [asdict(each) for each in numbers],
        "staleness": staleness(parsed(show(root, main, RECORD) or b"")),
    }


def staleness(night: Data) -> Data:
    """What the newest night of `main` found of its models' ages; empty where none did."""
    try:
        scores = [Score(**each) for each in night["staleness"]]
        decay = Decay(**night["decay"]) if night["decay"] else None
        told = {"until": night["until"], "metric": night["metric"], "margin": night["margin"]}
    except (KeyError, TypeError):
        return {}
    numbers = [told["margin"], *(decay or ()), *(each.value for each in scores)]
    words = [told["until"], told["metric"], *(word for each in scores for word in each[:3])]
    known = all(isinstance(each, int | float) for each in numbers)
    if not scores or not known or not all(isinstance(each, str) for each in words):
        return {}
    found = [each._asdict() for each in scores]
    return told | {"decay": decay._asdict() if decay else None, "scores": found}


def asked(root: Path, remote: str, kept: Data, as_of: int) -> Data:
    """The retraining's pull requests: what GitHub says now, beside what it once said.

    Returns:
        `pulls` for the next page, `asked`, as of when GitHub last answered, `unasked`, why it did
        not now, and `known`: None where it never did.
    """
    pulls = {int(number): each for number, each in kept.get("pulls", {}).items()}
    last, why = kept.get("asked", ""), ""
    try:
        pulls |= retraining.asked(root, remote)
        last = as_of
    except ProjectError as error:
        why = str(error)
    found = {str(number): pulls[number] for number in sorted(pulls)}
    known = None if last == "" else pulls
    return {"pulls": found, "asked": last, "unasked": why, "known": known}


def before(root: Path, remote: str) -> Data:
    """The data of the page that is published; empty where none is.

    Raises:
        ProjectError: in a workflow, that the remote cannot be asked, since what is kept would be
            lost; anywhere, that the data cannot be read.
    """
    if "GITHUB_ACTIONS" in os.environ:
        os.environ.update(login())
        refresh(root, remote)
    else:
        with suppress(ProjectError):
            refresh(root, remote)
    commit = tip(root, BRANCH)
    content = show(root, commit, DATA) if commit else None
    return read(content) if content else {}


def refresh(root: Path, remote: str) -> None:
    """Know where the remote's page is."""
    if head(root, remote, BRANCH):
        refspec = f"+refs/heads/{BRANCH}:refs/remotes/origin/{BRANCH}"
        git(root, "fetch", "--quiet", "--no-tags", remote, refspec)


def read(content: bytes) -> Data:
    """A page's data.

    Raises:
        ProjectError: it is something else.
    """
    try:
        found: Data = json.loads(content)
        if found["format"] == FORMAT and all(map(pull, found["pulls"].items())):
            return found
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise ProjectError(
        f"{DATA} on the branch {BRANCH!r} cannot be read, and it keeps what GitHub once said: "
        "revert the commit that changed it there"
    )


def pull(entry: tuple[str, dict[str, str]]) -> bool:
    """Whether this is a pull request as `retraining` tells of it."""
    number, times = entry
    keys = ("opened", "closed", "merged")
    return number.isdecimal() and all(isinstance(times[key], str) for key in keys)


def name(root: Path, remote: str) -> str:
    """OWNER/NAME; a remote that is not GitHub's does not say them."""
    with suppress(ProjectError):
        return laptop.place(root, remote)[1]
    return root.resolve().name


def web(root: Path, remote: str) -> str:
    """The repository's page in a browser; empty where it has none."""
    with suppress(ProjectError):
        laptop.place(root, remote)
        return laptop.web(root, remote)
    return ""
