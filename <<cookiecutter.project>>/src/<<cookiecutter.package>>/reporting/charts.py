"""Pictures in Markdown: intervals and bars drawn in characters, lines drawn by Mermaid."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..text import number, short, verbatim

WIDTH = 21
"""Characters of a drawing; odd, so that it has a middle."""

POINTS = 12
"""The most points of a line, so that their labels have room."""

CHART = """```mermaid
---
config:
  xyChart:
    width: 800
    height: 300
  themeVariables:
    xyChart:
      backgroundColor: "transparent"
      titleColor: "#6e7781"
      xAxisLabelColor: "#6e7781"
      xAxisTitleColor: "#6e7781"
      xAxisTickColor: "#6e7781"
      xAxisLineColor: "#6e7781"
      yAxisLabelColor: "#6e7781"
      yAxisTitleColor: "#6e7781"
      yAxisTickColor: "#6e7781"
      yAxisLineColor: "#6e7781"
      plotColorPalette: "#2f81f7, #8c959f, #bc4c00"
---
xychart-beta
  x-axis "{x}" [{categories}]
  y-axis "{y}" {low} --> {high}
{lines}
```"""
"""Colours with a contrast of 3 on white and on GitHub's dark ground; bars would start below 0."""


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


def ruler(axis: Axis) -> str:
    """The heading above drawings on an axis whose ends are absolute values."""
    left, right = short(axis.left), short(axis.right)
    return verbatim(f"{left} {'─' * max(WIDTH - 2 - len(left) - len(right), 1)} {right}")


def bar(share: float, width: int = 20) -> str:
    """A bar for a share from 0 to 1, to half a character."""
    halves = round(2 * width * min(max(share, 0), 1))
    return verbatim(("█" * (halves // 2) + "▌" * (halves % 2)).ljust(width))


def thin(found: list[Any]) -> list[Any]:
    """Evenly chosen points, no more than a line has room for."""
    if len(found) <= POINTS:
        return found
    return [found[round(i * (len(found) - 1) / (POINTS - 1))] for i in range(POINTS)]


def chart(lines: dict[str, list[float]], share: bool) -> str:
    """Observed over predicted, as a Mermaid chart; the line `perfect` also names the places."""
    known = [value for line in lines.values() for value in line]
    low, high = bounds([*known, 0.0] if share else known)
    unit = ", %" if share else ""
    drawn = (f'  line "{name}" [{", ".join(map(plain, line))}]' for name, line in lines.items())
    return CHART.format(
        x=f"Mean prediction{unit}, in bins of equally many rows",
        y=f"Observed mean{unit}",
        categories=", ".join(f'"{label}"' for label in labels(lines["perfect"])),
        low=plain(low),
        high=plain(high),
        lines="\n".join(drawn),
    )


def polygon(heights: list[float], names: list[str], x: str, y: str) -> str:
    """A histogram as a Mermaid chart: a line through the heights of its bars.

    Args:
        names: of the bars, which must differ; `x` says what they are, `y` what the heights are.
    """
    return CHART.format(
        x=x,
        y=y,
        categories=", ".join(f'"{name}"' for name in names),
        low=0,
        high=plain(bounds([0.0, *heights])[1]),
        lines=f"  line [{', '.join(map(plain, heights))}]",
    )


def plain(value: float) -> str:
    """A number as Mermaid reads it: no exponent, no comma."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def labels(values: list[float]) -> list[str]:
    """Each value with the fewest digits that tell them apart: equal labels would fall together."""
    for digits in range(7):
        found = [number(value, digits) for value in values]
        if len(set(found)) == len(found):
            return found
    return [f"bin {i}" for i in range(1, len(values) + 1)]
