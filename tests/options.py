"""The option matrix, read from cookiecutter.json: a new option is tested the day it is added."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent

# A free text answer has no list of values: this is its other value when all change at once.
CHANGED = {
    "project": "Bike.rental_2",
    "package": "rentals",
    "description": "Predicts how many bikes are rented in an hour.",
    "github_owner": "octo-org",
    "nightly_time": "22:05",
}


def questions() -> dict[str, Any]:
    """Give each question's default: a text, or its choices with the default first."""
    context = json.loads((REPOSITORY / "cookiecutter.json").read_text(encoding="utf-8"))
    return {name: default for name, default in context.items() if not name.startswith("_")}


def option_sets() -> Iterator[dict[str, str]]:
    """Yield the defaults, then each other value alone, then all answers changed at once."""
    choices = {name: values for name, values in questions().items() if isinstance(values, list)}
    yield {}
    for name, values in choices.items():
        yield from ({name: value} for value in values[1:])
    yield from ({name: value} for name, value in CHANGED.items())
    yield CHANGED | {name: values[-1] for name, values in choices.items()}


def option_id(answers: dict[str, str]) -> str:
    """Name an option set as a test's parameter."""
    if len(answers) > 1:
        return "all"
    return "-".join(f"{name}={value}" for name, value in answers.items()) or "defaults"
