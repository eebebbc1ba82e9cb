"""The end of a pull request's run: what it says to people, and to GitHub. Standard library only."""

import json
import os
from pathlib import Path
from typing import Any

from . import github
from .accept import LABEL, LOOK

NIGHT = "retrain"
"""The commit status that says what came of a night, for the nights that follow."""

GREEN = ("better", "equal", "first", "unchanged", "rollback")


def output(name: str, value: str) -> None:
    """A step's output in a workflow; a line on a laptop."""
    line = f"{name}={value}\n"
    if place := os.environ.get("GITHUB_OUTPUT"):
        with open(place, "a", encoding="utf-8") as file:
            file.write(line)
    print(line, end="", flush=True)


def passed(found: dict[str, Any]) -> bool:
    return found["verdict"] in GREEN or bool(found["accepted"])


def verdict(comparison: Path) -> None:
    """Give the step's outputs: whether it passed, and whether an acceptance is to be committed."""
    found = json.loads(comparison.read_text(encoding="utf-8"))
    output("passed", str(passed(found)).lower())
    output("record", str(found["record"]).lower())


def run(comparison: Path, number: str, commit: str, checked: str, tried: str) -> None:
    """Set the statuses of the bot's commit, if there is one, and settle the label.

    The status of a night is its last word: what dies before it is done again by the next night.

    Args:
        comparison: absent where an earlier job failed; then there is nothing to say.
        number: the pull request's; empty where there is none.
        checked: the result of the job `check`; where it was skipped, `ci` has a run of its own.
        tried: the commit that a night has done with; empty for other runs.

    Raises:
        ProjectError: GitHub refuses.
    """
    if not comparison.exists():
        print("conclude: nothing was compared")
        return
    found = json.loads(comparison.read_text(encoding="utf-8"))
    if commit:
        if checked != "skipped":
            status(commit, "ci", checked == "success", f"make check ended with {checked}")
        status(commit, "model gate", passed(found), told(found))
    if number and found["verdict"] not in GREEN:
        label(number, bool(found["accepted"]))
    if tried:
        status(tried, NIGHT, passed(found), told(found))


def told(found: dict[str, Any]) -> str:
    return f"{found['verdict']}: {found['reasons'][0]}"


def status(commit: str, name: str, green: bool, why: str) -> None:
    """A required check for a commit on which GitHub starts no run by itself.

    Raises:
        ProjectError: GitHub refuses.
    """
    body = {
        "state": "success" if green else "failure",
        "context": name,
        "description": why[:140],
        "target_url": github.link(),
    }
    github.ask("POST", f"/statuses/{commit}", body)
    print(f"conclude: {name} is {body['state']} on {commit[:7]}")


def label(number: str, accepted: bool) -> None:
    """Make the label known once a model is blocked; take it off where it does not count.

    Raises:
        ProjectError: GitHub refuses.
    """
    if LABEL not in {entry["name"] for entry in github.pages("/labels")}:
        github.ask("POST", "/labels", {"name": LABEL, **LOOK})
    on = {entry["name"] for entry in github.pages(f"/issues/{number}/labels")}
    if LABEL in on and not accepted:
        github.ask("DELETE", f"/issues/{number}/labels/{LABEL}")
        print(f"conclude: {LABEL} was not set on this model, or not by somebody who may: taken off")
