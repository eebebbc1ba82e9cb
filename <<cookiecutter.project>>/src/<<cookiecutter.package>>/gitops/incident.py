"""The one issue that says that nights fail. Standard library only."""

import json
from pathlib import Path
from typing import Any

from . import github, problem

TITLE = "Nightly retraining fails"
BOT = "github-actions%5Bbot%5D"
SCHEDULE = "/actions/workflows/retrain.yml/enable"


def run(results: str, folder: Path, report: Path) -> None:
    """End a night: write the issue of one that failed, close it where there was nothing to train.

    The run of `model.yml` that a night started says itself what came of it. Every night switches
    the schedule on, which GitHub switches off after 60 days without a commit.

    Args:
        results: the workflow's `needs` as JSON.
        folder: the artifacts that failed jobs left.
        report: is written where a job failed.

    Raises:
        ProjectError: GitHub refuses.
    """
    needs = json.loads(results)
    if any(job["result"] in problem.FAILED for job in needs.values()):
        problem.run(results, folder, report)
        tell(report.read_text(encoding="utf-8"))
    elif needs["look"]["outputs"].get("train") == "false":
        close()
    github.ask("PUT", SCHEDULE)


def tell(text: str) -> None:
    """Open the issue, or add to the one that is open; a run says the same thing once.

    Raises:
        ProjectError: GitHub refuses.
    """
    body = f"{text}\n\n[The run]({github.link()})\n"
    known = current()
    if known:
        comment(known, body)
    else:
        known = github.ask("POST", "/issues", {"title": TITLE, "body": body}, current)
    print(f"::warning::{TITLE}: #{known['number']} says why")


def close() -> None:
    """A good night closes the issue.

    Raises:
        ProjectError: GitHub refuses.
    """
    if known := current():
        comment(known, f"A good night: [the run]({github.link()})\n")
        github.ask("PATCH", f"/issues/{known['number']}", {"state": "closed"})
        print(f"night: #{known['number']} is closed")


def comment(issue: dict[str, Any], body: str) -> None:
    """Add to an issue what it does not say yet."""
    path = f"/issues/{issue['number']}/comments"

    def said() -> bool:
        texts = [issue["body"], *(each["body"] for each in github.pages(path))]
        return body.split() in [(text or "").split() for text in texts]

    if not said():
        github.ask("POST", path, {"body": body}, said)


def current() -> dict[str, Any] | None:
    """The open issue; a person's of that title is none."""
    found = github.pages("/issues", f"state=open&creator={BOT}")
    ours = (each for each in found if each["title"] == TITLE and "pull_request" not in each)
    return next(ours, None)
