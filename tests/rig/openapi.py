"""What GitHub's own description allows in a request; `openapi_cut.py` says where it comes from."""

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types


@functools.cache
def operations() -> dict[str, Any]:
    """The operations by `METHOD /path/{parameter}`."""
    cut = json.loads(Path(__file__).with_name("openapi.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = cut["operations"]
    return found


def complaints(
    operation: str, path: Mapping[str, str], query: Mapping[str, str], body: Any
) -> list[str]:
    """Sentences about what the description does not allow; unknown names are slips, so refused."""
    allowed = operations()[operation]
    return [*parameters(allowed, path, query), *content(allowed, body)]


def parameters(
    allowed: dict[str, Any], path: Mapping[str, str], query: Mapping[str, str]
) -> Iterator[str]:
    given = {("path", name): value for name, value in path.items()}
    given |= {("query", name): value for name, value in query.items()}
    known = {(each["in"], each["name"]): each for each in allowed["parameters"]}
    for key in given.keys() - known.keys():
        yield f"{key[0]} parameter {key[1]} is unknown"
    for key, each in known.items():
        if key in given:
            yield from wrong(f"{key[0]} parameter {key[1]}", each["schema"], number(given[key]))
        elif each["required"] and key[0] != "header":
            yield f"{key[0]} parameter {key[1]} is missing"


def number(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def content(allowed: dict[str, Any], body: Any) -> Iterator[str]:
    schema = allowed["body"]
    if body is None:
        if allowed["body required"]:
            yield "the body is missing"
    elif schema is None:
        yield "a body is not expected"
    else:
        yield from wrong("the body", schema, body)
        properties = schema.get("properties")
        if (
            properties is not None
            and isinstance(body, dict)
            and not schema.get("additionalProperties")
        ):
            yield from (f"{name} is unknown" for name in sorted(body.keys() - properties.keys()))


def wrong(what: str, schema: dict[str, Any], value: Any) -> Iterator[str]:
    """A number in an address may be meant as text: a login of digits, an abbreviated commit."""
    found = list(Draft202012Validator(schema).iter_errors(value))
    if found and isinstance(value, int) and not what.startswith("the body"):
        found = list(Draft202012Validator(schema).iter_errors(str(value)))
    yield from (f"{what}: {error.json_path} {error.message}" for error in found)
