"""What follows from monitoring: a night is asked for, or people. Standard library only.

What the team's code found arrives as data: all that is taken from it are sentences.
"""

import json
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..text import clean
from . import github, pulls
from .propose import BASE, NIGHTLY

WORKFLOW = "/actions/workflows"

MONITORED = "monitoring of "
"""How the reason of an alarm begins: of these a night knows that their numbers change daily."""


def run(file: Path) -> None:
    """Switch the schedule on, which GitHub switches off after 60 days without a commit; dispatch
    `retrain.yml` where an alarm asks for it.

    Args:
        file: what `make monitor` wrote; absent where it failed.

    Raises:
        ProjectError: GitHub refuses, or something was found that no training mends.
    """
    github.ask("PUT", f"{WORKFLOW}/monitor.yml/enable")
    if not file.exists():
        return
    found = json.loads(file.read_text(encoding="utf-8"))
    if reason := sentence(found.get("reason")):
        ask(reason)
    if said := [sentence(each) for each in found["troubles"]]:
        raise ProjectError(f"{'; '.join(said)[:900]}: the run's summary has the numbers")


def ask(reason: str) -> None:
    """Dispatch a night, unless a proposal waits for a person.

    Raises:
        ProjectError: GitHub refuses.
    """
    if number := pulls.number(NIGHTLY, BASE):
        print(f"::notice::#{number} waits for a decision, so no other training is asked for")
        return
    body = {"ref": BASE, "inputs": {"until": "", "force": reason}}
    github.ask("POST", f"{WORKFLOW}/retrain.yml/dispatches", body)
    print(f"alarm: retrain.yml is asked for: {reason}")


def sentence(value: Any) -> str:
    """A stranger's text on one line, and not too long."""
    return clean(value, 300, 60) if isinstance(value, str) else ""
