"""Put what a night found on the branch `retrain`, and start `model.yml` there.

This runs in a job that can write to the repository, from a checkout of the default branch; what the
team's code found arrives as data. The branch itself is the memory: the same data on the same `main`
make the same commit, so what was tried is known, and what died on the way is started again.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..params import Store as Place
from ..text import logged, prose
from . import github, incident
from .conclude import NIGHT
from .lock import asks, git, show
from .propose import NIGHTLY as BRANCH
from .publish import BOT, head, login, write

WORKFLOW = "model.yml"
RECORD = "reports/night.json"
"""Why the model of `main` was trained, if a night did it."""

ACCEPTED = ("params.yaml", RECORD)
"""What a night may change on the branch before anything is trained."""

EARLIER = timedelta(hours=12)
"""A run that began longer ago is one of an earlier night, which waits for its runner or hangs."""


def run(root: Path, place: Place, folder: Path, main: str) -> None:
    """Start a training, unless this one was tried, still runs, or a person is at work there.

    Args:
        main: the commit that the night looked at.

    Raises:
        ProjectError: what was handed over is not what it should be, or GitHub refuses.
    """
    root = root.resolve()
    os.environ.update(login())
    given = files(folder / "files")
    night = json.loads(given[RECORD])
    commit = write(root, given, main, message(night))
    tip = head(root, place.remote, BRANCH)
    if tip:
        git(root, "fetch", "--quiet", "--no-tags", place.remote, tip)
    if running := active():
        leave(running)
    elif tip and tried(root, tip, commit, night, main):
        again(tip, night)
    elif tip and (who := person(root, tip, main)):
        print(
            f"::warning::{BRANCH!r} has commits of {who}, so this night leaves it alone: merge its "
            "pull request, or delete the branch"
        )
    else:
        push(root, place.remote, commit, tip)
        dispatch(night, commit)


def files(folder: Path) -> dict[str, bytes]:
    """What the night hands over for the branch.

    Raises:
        ProjectError: a file is none of those, or is a link.
    """
    found = {}
    for source in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        name = source.relative_to(folder).as_posix()
        if name not in ACCEPTED or source.is_symlink():
            raise ProjectError(f"the handed-over file {name!r} is none of {', '.join(ACCEPTED)}")
        found[name] = source.read_bytes()
    return found


def message(night: dict[str, Any]) -> str:
    return title(night) + "\n\n" + "\n".join(f"- {prose(reason)}" for reason in night["reasons"])


def title(night: dict[str, Any]) -> str:
    return f"Retrain on data until {night['until']}" if night["until"] else "Retrain"


def tried(root: Path, tip: str, commit: str, night: dict[str, Any], main: str) -> bool:
    """Whether the branch has this night's commit. The numbers in an alarm of monitoring change
    from day to day: for one, the same data on the same `main` are enough."""
    for each in filter(None, (tip, asks(root, "rev-parse", f"{tip}^"))):
        if each == commit:
            return True
        if night.get("monitored") and asks(root, "rev-parse", f"{each}^") == main:
            record = json.loads(show(root, each, RECORD) or b"{}")
            if record.get("data") == night["data"]:
                return True
    return False


def again(tip: str, night: dict[str, Any]) -> None:
    """The branch has this night's commit already: say what came of it, or start it once more."""
    statuses = github.pages(f"/commits/{tip}/statuses")
    outcome = next((each for each in statuses if each["context"] == NIGHT), None)
    if outcome:
        print(f"::notice::These data were tried on this commit of main: {outcome['description']}")
        return
    incident.tell("The training of an earlier night ended without a result; it was started again.")
    dispatch(night, tip)


def active() -> dict[str, Any] | None:
    """A run of the branch that is not over."""
    query = f"branch={BRANCH}&event=workflow_dispatch&per_page=100"
    found = github.ask("GET", f"/actions/runs?{query}")["workflow_runs"]
    return next((run for run in found if run["status"] != "completed"), None)


def leave(running: dict[str, Any]) -> None:
    """Start nothing beside a run that is not over: to replace it each night would end none.

    That the schedule fires twice is no failure; one of an earlier night is told.
    """
    since, link = running["created_at"], running["html_url"]
    said = f"The training that began {since} still waits or runs: {link}"
    if datetime.now(UTC) - datetime.fromisoformat(since) > EARLIER:
        incident.tell(said)
    print(f"::notice::{said}, so this night starts none")


def person(root: Path, tip: str, main: str) -> str:
    """Who else has commits on the branch that are merged nowhere; empty where nobody has."""
    merged = github.pages(f"/commits/{tip}/pulls")
    if any(pull["merged_at"] for pull in merged):
        return ""
    listed = git(root, "log", "--format=%ae%x00%an", f"{main}..{tip}").decode(errors="replace")
    lines = (line.split("\0") for line in listed.splitlines())
    return next((name for mail, name in lines if mail != BOT["GIT_AUTHOR_EMAIL"]), "")


def push(root: Path, remote: str, commit: str, tip: str) -> None:
    """Move the branch, if it is still where it was.

    Raises:
        ProjectError: it has moved, or the remote refuses.
    """
    lease = f"--force-with-lease=refs/heads/{BRANCH}:{tip}"
    git(root, "push", "--quiet", "--no-verify", lease, remote, f"{commit}:refs/heads/{BRANCH}")
    print(f"start: {commit[:7]} on {BRANCH!r}")


def dispatch(night: dict[str, Any], tip: str) -> None:
    inputs = {"title": title(night), "reason": "; ".join(night["reasons"])[:900]}
    body = {"ref": BRANCH, "inputs": inputs}

    def begun() -> bool:
        return (active() or {}).get("head_sha") == tip

    github.ask("POST", f"/actions/workflows/{WORKFLOW}/dispatches", body, begun)
    print(logged(f"start: {WORKFLOW} on {BRANCH!r}: {inputs['reason']}"))
