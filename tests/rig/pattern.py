"""GitHub's filter patterns for branches, tags and paths, which the engine does not look at."""

import functools
import re
from collections.abc import Iterable


@functools.cache
def regex(pattern: str) -> re.Pattern[str]:
    """`*` stays inside a folder, `**` does not; `?` and `+` repeat the character before them."""
    out, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            out, at = out + ".*", at + 2
        elif pattern[at] == "*":
            out, at = out + "[^/]*", at + 1
        elif pattern[at] == "[" and "]" in pattern[at:]:
            end = pattern.index("]", at) + 1
            out, at = out + pattern[at:end], end
        elif pattern[at] == "\\":
            out, at = out + re.escape(pattern[at + 1 : at + 2]), at + 2
        else:
            out, at = out + (c if (c := pattern[at]) in "?+" else re.escape(c)), at + 1
    return re.compile(out)


def matches(patterns: Iterable[str], name: str) -> bool:
    """The last pattern that fits decides; one with `!` takes away."""
    found = False
    for pattern in patterns:
        if regex(pattern.removeprefix("!")).fullmatch(name):
            found = not pattern.startswith("!")
    return found


def any_path(patterns: list[str], paths: Iterable[str]) -> bool:
    return any(matches(patterns, path) for path in paths)
