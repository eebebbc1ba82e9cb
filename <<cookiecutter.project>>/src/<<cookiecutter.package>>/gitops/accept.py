"""Who accepted a blocked model: the label `accept-model`, set by a person with write access.

An acceptance counts for the model on which the label was set, and for no other. It is noted in
`reports/accepted.json`, which `publish` commits, so that git says who let a model through.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import github

LABEL = "accept-model"
LOOK = {"color": "d93f0b", "description": "A maintainer lets this blocked model through"}
RECORD = "reports/accepted.json"
WRITERS = ("admin", "maintain", "write")


def find(root: Path, number: int, model: str, event: dict[str, Any]) -> dict[str, str] | None:
    """The acceptance of this model, if there is one: by, when, why, model.

    Args:
        number: the pull request's.
        model: MD5 of the model under review.
        event: the payload of the event that started the run.

    Raises:
        ProjectError: GitHub does not answer.
    """
    setting = last_set(number)
    if setting is None:
        return None
    by, when = setting["actor"]["login"], setting["created_at"]
    known = noted(root)
    if known and (known["by"], known["when"]) == (by, when):
        return known if known["model"] == model else None
    # Else it counts where it was set on what this very run judges.
    now = event.get("action") == "labeled" and event.get("label", {}).get("name") == LABEL
    if not now or not may_accept(setting["actor"]):
        return None
    return {"by": by, "when": when, "why": reason(number, by, when), "model": model}


def last_set(number: int) -> dict[str, Any] | None:
    """The event that set the label, if it is still set."""
    kinds = ("labeled", "unlabeled")
    events = [
        event
        for event in github.pages(f"/issues/{number}/events")
        if event["event"] in kinds and event["label"]["name"] == LABEL
    ]
    return events[-1] if events and events[-1]["event"] == "labeled" else None


def noted(root: Path) -> dict[str, str] | None:
    """The acceptance that git knows of."""
    path = root / RECORD
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: str(found[key]) for key in ("by", "when", "why", "model")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def may_accept(actor: dict[str, Any]) -> bool:
    """Whether it is a person, and one who may write to the repository."""
    if actor.get("type") != "User":
        return False
    found = github.ask("GET", f"/collaborators/{quote(actor['login'])}/permission")
    return found["permission"] in WRITERS


def reason(number: int, by: str, when: str) -> str:
    """What that person wrote last in the pull request before the label was set."""
    said = [
        comment["body"]
        for comment in github.pages(f"/issues/{number}/comments")
        if comment["user"]["login"] == by and comment["created_at"] <= when
    ]
    return " ".join(said[-1].split())[:300] if said else "no reason was given"


def hand_over(root: Path, accepted: dict[str, str]) -> bool:
    """Leave a new acceptance for `publish`; False where git knows of it already."""
    if noted(root) == accepted:
        return False
    target = root / "handoff/files" / RECORD
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(accepted, indent=2) + "\n", encoding="utf-8")
    return True
