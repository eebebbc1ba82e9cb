"""A release's notes before its model card: who, when, why, and what it was held against."""

import json
import os
import re
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..reporting.wording import IN_UNITS, heading
from ..text import code, number, places, prose, span, table
from . import github
from .history import Release, rollback_of
from .lock import git, show
from .side import HOLDOUT, METRICS, TRAIN

TOKEN = ("GITHUB_TOKEN", "GITHUB_API_URL", "GITHUB_REPOSITORY")
"""What a job has that may ask GitHub."""

WATERMARK = re.compile(r'\s*!\[\]\(\S*/watermark\.png\S* "CML watermark model report"\)\s*\Z')
"""What CML puts below the report, to find it again."""


def notes(root: Path, known: list[Release]) -> str:
    """What a release is: who, when, why, by which hashes, and against which champion."""
    release, earlier = known[-1], rollback_of(known, len(known) - 1)
    parts = [f"Merged by {code(release.who)} on {release.when[:10]}{pull(release)}."]
    parts[0] += f" {approvals(root, release)}"
    if earlier is not None:
        why = prose(release.reason, 300) if release.reason else "no reason was given"
        gone = known[-2].number
        parts.append(f"**Rollback** from v{gone} to the model of v{earlier.number}: {why}")
    hashes = {
        "commit": release.commit,
        "model": release.model,
        "training data": release.lock.get(TRAIN, ""),
        "held-out rows": release.lock.get(HOLDOUT, ""),
        "environment": release.environment,
    }
    lines = [[name, code(value or "none")] for name, value in hashes.items()]
    return "\n\n".join([*parts, table(["What", "Hash"], "ll", lines), compared(root, known)])


def pull(release: Release) -> str:
    return f" by #{release.pull}" if release.pull else ""


def approvals(root: Path, release: Release) -> str:
    """Who approved it, as the merge commit and GitHub know it; GitHub is asked by a job alone."""
    said = trailers(root, release.commit)
    named = f"Reviewed by {prose(said, 300)}, says its commit." if said else ""
    if release.pull is None:
        return named or "Git names no pull request, so nobody is known to have approved it."
    if any(name not in os.environ for name in TOKEN):
        return f"{named} Who approved it is unknown without a GitHub token.".strip()
    try:
        found = github.pages(f"/pulls/{release.pull}/reviews")
    except ProjectError as error:
        print(f"github: {error}")
        return f"{named} Who approved it, GitHub did not say.".strip()
    who = ", ".join(code(login) for login in approvers(found))
    return f"{named} {f'Approved by {who}' if who else 'Nobody approved it on GitHub'}.".strip()


def trailers(root: Path, commit: str) -> str:
    """Who is named as a reviewer in the commit's message."""
    key = "%(trailers:key=Reviewed-by,valueonly,separator=%x2C%x20)"
    return git(root, "show", "-s", f"--format={key}", commit).decode(errors="replace").strip()


def approvers(reviews: list[dict[str, Any]]) -> list[str]:
    """Whose last word was an approval; a comment takes none back."""
    last = {
        review["user"]["login"]: review["state"]
        for review in reviews
        if review["user"] and review["state"] in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
    }
    return [login for login, state in last.items() if state == "APPROVED"]


def reviewed(release: Release) -> str:
    """The report that the reviewers read, from the pull request; empty where GitHub gives none."""
    if release.pull is None or any(name not in os.environ for name in TOKEN):
        return ""
    try:
        found = github.pages(f"/issues/{release.pull}/comments")
    except ProjectError as error:
        print(f"github: {error}")
        return ""
    bodies = [each["body"] for each in found if each["user"] and each["user"]["type"] == "Bot"]
    ours = [body for body in bodies if WATERMARK.search(body)]
    return WATERMARK.sub("\n", ours[-1]) if ours else ""


def compared(root: Path, known: list[Release]) -> str:
    """The champion before, by what git has of both; empty where the model is the same."""
    release = known[-1]
    if len(known) == 1:
        return "It is the first champion: there was none to compare it with."
    before = known[-2]
    if before.model == release.model:
        return f"The model is that of v{before.number}; other code was shipped."
    now, then = (figures(root, one) for one in (release, before))
    lines = [
        [heading(name), told(name, now[name]), told(name, then[name])]
        for name in now
        if name in then
    ]
    head = ["Metric", f"v{release.number}", f"v{before.number}, the champion before"]
    same = release.lock.get(HOLDOUT) == before.lock.get(HOLDOUT)
    rows = "on the same held-out rows" if same else "on other held-out rows each"
    note = f"<sub>In brackets the intervals. Measured {rows}; the difference row by row, with its "
    note += "interval, is in the report of the pull request.</sub>"
    return f"{table(head, 'lrr', lines)}\n\n{note}" if lines else ""


def figures(root: Path, release: Release) -> dict[str, dict[str, Any]]:
    """Each metric of a release with its interval; nothing where git has none."""
    try:
        found = dict(json.loads(show(root, release.commit, METRICS) or b"{}"))
    except (ValueError, TypeError):
        return {}
    return {
        name: entry for name, entry in found.items() if isinstance(entry, dict) and "value" in entry
    }


def told(name: str, entry: dict[str, Any]) -> str:
    """A value and its interval."""
    value, low, high = (plain(entry.get(key)) for key in ("value", "low", "high"))
    digits = places(value) if name in IN_UNITS else 3
    ends = "" if low is None or high is None else f" <sub>({span(low, high, digits)})</sub>"
    return f"{number(value, digits)}{ends}"


def plain(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
