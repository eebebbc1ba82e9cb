"""Tables of changes whose last column draws them: better is always on the right."""

from typing import NamedTuple

from ..text import NARROW, number, short, table, verbatim
from .charts import Axis, balanced, drawing
from .wording import Gain, small


class Line(NamedTuple):
    """One row: its cells, and the gain that is drawn behind them."""

    cells: list[str]
    gain: Gain


def drawn(head: list[str], align: str, lines: list[Line], relative: bool = False) -> str:
    """The table; `relative` gains are shares, which the scale names in percent."""
    axis = balanced(end for line in lines for end in line.gain)
    ruler = f"{verbatim('worse ◄───│──► better')}<br><sub>{scale(axis, relative)}</sub>"
    rows = [[*cells, drawing(gain.low, gain.value, gain.high, axis)] for cells, gain in lines]
    return table([*head, ruler], align + "c", rows)


def scale(axis: Axis, relative: bool) -> str:
    """What the ends of the drawings stand for."""
    factor, unit = (100, f"{NARROW}%") if relative else (1, "")
    ends = [short(factor * end, sign=True) + unit for end in (axis.left, axis.right)]
    return f"{NARROW}to{NARROW}".join(ends)


def signed(change: Gain, digits: int) -> str:
    """A difference and its interval as a cell, which breaks between them where room is short."""
    value = number(change.value, digits, sign=True)
    return f"{value}{small(change.low, change.high, digits, sign=True)}"


def shared(name: str, base: float | None, gain: Gain) -> Gain:
    """The gain as a share of the other model's error, so that units compare.

    The error behind R² is the share of the variance that is left unexplained.
    """
    error = None if base is None else 1 - base if name == "r2" else abs(base)
    return Gain(*(end / error if error and end is not None else None for end in gain))
