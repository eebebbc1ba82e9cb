"""Markdown that a stranger's text cannot break: code spans, tables, numbers, drawings."""

import html
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MINUS, NARROW = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"

WIDTH = 21
"""Characters of a drawing; odd, so that it has a middle."""


def clean(value: str, limit: int = 60) -> str:
    """The value on one line: no control and direction marks, white space folded, cut when long."""
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in value)
    plain = " ".join(plain.split()).replace("watermark.png", "watermark png")
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def code(value: str, limit: int = 60) -> str:
    """The value as a code span that shows it and does nothing else.

    The fence is longer than any run of backticks inside: only a real code span keeps GitHub from
    linking, mentioning or rendering what is in it.
    """
    shown = clean(value, limit)
    if not shown:
        return "(empty)"
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}".replace("|", r"\|")


def tag(value: str, limit: int = 60) -> str:
    """As `code`, for the inside of an HTML block, where Markdown is not read."""
    return f"<code>{html.escape(clean(value, limit))}</code>" if clean(value) else "(empty)"


def table(head: list[str], align: str, rows: list[list[str]]) -> str:
    """A Markdown table; `align` has one of l, r, c for each column."""
    rule = {"l": ":--", "r": "--:", "c": ":-:"}
    lines = [head, [rule[side] for side in align], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """A number with a real minus and comma thousands; an en dash where there is none."""
    if value is None or value != value:
        return "–"
    kind = "e" if abs(value) >= 1e15 else "f"
    text = f"{value:{'+' if sign else ''},.{digits}{kind}}"
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def short(value: float, sign: bool = False) -> str:
    """A round number with no more digits than it has: 0.15, 5,000."""
    return f"{value:{'+' if sign and value else ''},.10g}".replace("-", MINUS)


def places(value: float | None, significant: int = 3) -> int:
    """How many decimals show so many significant digits, from none to six."""
    if not value or not math.isfinite(value):
        return 0
    return min(max(significant - 1 - math.floor(math.log10(abs(value))), 0), 6)


def span(low: float | None, high: float | None, digits: int = 3, sign: bool = False) -> str:
    """An interval that no line break parts."""
    ends = number(low, digits, sign), number(high, digits, sign)
    return f"{NARROW}to{NARROW}".join(ends)


def percent(share: float, digits: int = 0) -> str:
    return f"{number(100 * share, digits)}{NARROW}%"


class Axis(NamedTuple):
    """The values at a drawing's ends, and the one that its upright line marks."""

    left: float
    right: float
    mark: float

    def place(self, value: float) -> float:
        """Where a value lies, from 0 to the last character, but for the last bits of a float."""
        return round((WIDTH - 1) * (value - self.left) / (self.right - self.left), 9)


def nice(size: float, steps: Sequence[float] = (1, 1.5, 2, 5)) -> float:
    """The next round number: one of the steps times a power of ten."""
    power = 10.0 ** math.floor(math.log10(size))
    return next((s * power for s in steps if s * power >= size * (1 - 1e-9)), 10 * power)


def bounds(values: Iterable[float | None]) -> tuple[float, float]:
    """Round numbers around all values."""
    known = [value for value in values if value is not None] or [0.0, 1.0]
    low, high = min(known), max(known)
    step = nice((high - low) / 5 or abs(low) / 10 or 1, (1, 2, 5))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, max(last, first + 1) * step


def balanced(values: Iterable[float | None]) -> Axis:
    """An axis for differences: 0 in the middle, every value on it."""
    size = nice(max((abs(value) for value in values if value), default=1))
    return Axis(-size, size, 0)


def drawing(low: float | None, value: float | None, high: float | None, axis: Axis) -> str:
    """An interval as a picture; without ends where there are none, a dash without a value.

    Ends round outwards, but never across the mark, so the picture cannot contradict the words.
    """
    if value is None:
        return "–"
    ends = [value if end is None else end for end in (low, high)]
    start, stop = sorted(axis.place(end) for end in ends)
    mark, middle = round(axis.place(axis.mark)), axis.place(axis.mark)
    first = max(math.floor(start), mark + 1) if start > middle else math.floor(start)
    last = min(math.ceil(stop), mark - 1) if stop < middle else math.ceil(stop)
    point = min(max(round(axis.place(value)), first), last)
    if None in (low, high):
        first = last = point
    return verbatim(paint(first, point, last, mark))


def paint(first: int, point: int, last: int, mark: int) -> str:
    """The characters of an interval; an arrow where it goes on beyond the axis."""
    line = {place: "─" for place in range(first, last + 1)}
    line |= {first: "├", last: "┤"}
    line[mark] = "┼" if first < mark < last else line.get(mark, "│")
    line[point] = "●"
    if first < 0:
        line[0] = "◄"
    if last >= WIDTH:
        line[WIDTH - 1] = "►"
    return "".join(line.get(place, " ") for place in range(WIDTH))


def verbatim(picture: str) -> str:
    """A picture as a code span that is neither trimmed nor broken across lines."""
    return f"`{picture.replace(' ', NARROW)}`"


def ruler(axis: Axis) -> str:
    """The heading above drawings on an axis whose ends are absolute values."""
    left, right = short(axis.left), short(axis.right)
    return verbatim(f"{left} {'─' * max(WIDTH - 2 - len(left) - len(right), 1)} {right}")


def bar(share: float, width: int = 20) -> str:
    """A bar for a share from 0 to 1, to half a character."""
    halves = round(2 * width * min(max(share, 0), 1))
    return verbatim(("█" * (halves // 2) + "▌" * (halves % 2)).ljust(width))
