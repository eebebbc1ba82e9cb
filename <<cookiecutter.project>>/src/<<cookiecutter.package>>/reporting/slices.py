"""The section of the slices: the headline metric in each group of the held-out rows."""

from typing import TypeVar

from ..text import Section, cell, code, number, table, tag
from .alone import digits
from .charts import Axis, bounds, drawing, ruler
from .facts import Facts, Row
from .wording import heading, lower, small, title

One = TypeVar("One")

WEAKEST, STRONGEST = 20, 5
"""The most slices that are shown from either end."""


def slices(facts: Facts) -> Section | None:
    """The headline metric in each group, the weakest first."""
    if not facts.params.evaluate.slices:
        return None
    found = [row for row in facts.plots["slices"] if row["value"] is not None]
    found.sort(key=lambda row: row["value"], reverse=lower(facts.headline))
    if not found:
        return Section("Slices", "none can be judged", unjudged(facts))
    shown, hidden = shorten(found, "`slices.csv`")
    parts = [slice_table(facts, shown), hidden, unjudged(facts)]
    return Section("Slices", extremes(facts, found), "\n\n".join(filter(None, parts)))


def extremes(facts: Facts, found: list[Row]) -> str:
    """The weakest and the strongest slice, in HTML."""
    count = digits(facts)
    ends = [f"{tag(row['group'])} {number(row['value'], count)}" for row in (found[0], found[-1])]
    if len(found) == 1:
        return f"1; {ends[0]}"
    return f"{len(found):,}; weakest {ends[0]}, strongest {ends[1]}"


def shorten(found: list[One], source: str) -> tuple[list[One], str]:
    """The weakest and the strongest slices, and a line that counts those between."""
    hidden = len(found) - WEAKEST - STRONGEST
    if hidden <= 0:
        return found, ""
    note = f"{hidden:,} slices between these are not shown; {source} has them all."
    return [*found[:WEAKEST], *found[-STRONGEST:]], note


def slice_table(facts: Facts, shown: list[Row]) -> str:
    name, count, axis = facts.headline, digits(facts), slice_axis(facts, shown)
    head = [
        "Slice",
        "Rows",
        "Clusters",
        f"{heading(name)}<br><sub>{facts.confidence}</sub>",
    ]
    head.append(f"{ruler(axis)}<br><sub>better ►, │ all rows</sub>")
    lines = [
        [
            f"{cell(row['group'])} <sub>{cell(row['slice'])}</sub>",
            f"{row['rows']:,.0f}",
            f"{row['clusters']:,.0f}",
            f"{number(row['value'], count)}{small(row['low'], row['high'], count)}",
            drawing(row["low"], row["value"], row["high"], axis),
        ]
        for row in shown
    ]
    if facts.params.task.cluster is None:
        head.pop(2)
        lines = [[*cells[:2], *cells[3:]] for cells in lines]
    return table(head, "l" + "r" * (len(head) - 2) + "c", lines)


def slice_axis(facts: Facts, shown: list[Row]) -> Axis:
    """Better on the right, whatever the metric's direction; the mark is all held-out rows."""
    whole = facts.metrics[facts.headline]["value"]
    low, high = bounds([whole, *(row[key] for row in shown for key in ("low", "value", "high"))])
    left, right = (high, low) if lower(facts.headline) else (low, high)
    return Axis(left, right, left if whole is None else whole)


def unjudged(facts: Facts) -> str:
    """How many rows are in slices that are too small to be judged."""
    text = f"Slices under {facts.params.evaluate.min_slice_rows:,} rows are not judged"
    left = dict.fromkeys(facts.params.evaluate.slices, facts.held)
    for row in facts.plots["slices"]:
        left[row["slice"]] = left.get(row["slice"], 0) - int(row["rows"])
    few = ", ".join(f"{count:,} rows by {code(name)}" for name, count in left.items() if count > 0)
    text += f": {few}." if few else ": there are none."
    blank = [code(row["group"]) for row in facts.plots["slices"] if row["value"] is None]
    if blank:
        more = f" and {len(blank) - STRONGEST:,} more" if len(blank) > STRONGEST else ""
        text += f" {title(facts.headline)} is undefined in {', '.join(blank[:STRONGEST])}{more}."
    return f"<sub>{text} Intervals are not widened for the number of slices.</sub>"
