"""The rulesets in .github/rulesets, in GitHub's own format, and how GitHub's differ from them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from . import github

FOLDER = Path(".github/rulesets")
FIELDS = ("name", "target", "enforcement", "bypass_actors", "conditions", "rules")
"""What a ruleset is; an exported one has more, such as its number in one repository."""

NAMES = ("type", "context", "actor_type", "actor_id", "id")
"""What an entry of a list is known by: a rule, a check, an actor."""


def known() -> dict[str, int]:
    """Name and number of the rulesets of this repository, without its organisation's."""
    found = github.pages("/rulesets")
    return {each["name"]: each["id"] for each in found if each["source_type"] == "Repository"}


def writers() -> list[str]:
    """Who may write to the repository: nobody else's review counts."""
    people = github.pages("/collaborators")
    return [each["login"] for each in people if each["permissions"]["push"]]


def wanted(root: Path, alone: bool) -> Iterator[dict[str, Any]]:
    """The rulesets of the files.

    Args:
        alone: one person alone may write, who could never be reviewed: no review is asked.

    Raises:
        ProjectError: a file is no ruleset.
    """
    for file in sorted((root / FOLDER).glob("*.json")):
        ruleset = read(file)
        for rule in ruleset["rules"] if alone else []:
            if rule["type"] == "pull_request":
                rule["parameters"]["required_approving_review_count"] = 0
        yield ruleset


def read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {field: content[field] for field in FIELDS}
    except (ValueError, KeyError, TypeError) as error:
        raise ProjectError(
            f"{FOLDER / file.name} is no ruleset as GitHub exports it ({error!r}): mend it, or "
            "bring it back with git"
        ) from None


# What differs


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    """Field, what it is, what it will be; fields that are not wanted at all are not looked at."""
    for field, value in wanted.items():
        yield from compared(field, named(found.get(field)), named(value))


def compared(path: str, now: Any, then: Any) -> Iterator[str]:
    if isinstance(now, dict) and isinstance(then, dict):
        for key in sorted({*now, *then}):
            yield from compared(f"{path}.{key}", now.get(key), then.get(key))
    elif now != then and not (empty(now) and empty(then)):
        yield f"{path}: is {shown(now)}, will be {shown(then)}"


def named(value: Any) -> Any:
    """Lists without their order: it means nothing to GitHub, which may give another back."""
    if isinstance(value, dict):
        return {key: named(each) for key, each in value.items()}
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return {name(each): named(each) for each in value}
    return sorted(value) if isinstance(value, list) else value


def name(entry: dict[str, Any]) -> str:
    words = [str(entry[key]) for key in NAMES if entry.get(key) is not None]
    return " ".join(words) or json.dumps(entry, sort_keys=True)


def empty(value: Any) -> bool:
    """GitHub fills in what a file leaves out: no, none, nothing."""
    if isinstance(value, dict):
        return all(empty(each) for each in value.values())
    return not value


def shown(value: Any) -> str:
    return "absent" if value is None or value == {} else json.dumps(value)
