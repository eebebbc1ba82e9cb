"""What age costs a model, as Markdown: a table of models by month, and one sentence."""

from collections.abc import Sequence
from typing import Any

from ..staleness import Decay, Score
from ..text import NARROW, Section, code, number, places, short, span, table
from .wording import IN_UNITS, title

COLUMNS = 6
"""The newest months that fit into a table."""


def sentence(decay: Decay | None, metric: str, margin: float) -> str:
    """What thirty days cost, and when the gate's margin is lost."""
    if decay is None:
        return "Too few models of several ages have seen the same month to say what age costs."
    digits = places(decay.loss) if metric in IN_UNITS else 4
    told = f"{number(decay.loss, digits)} {title(metric)} in 30{NARROW}days "
    told += f"(95{NARROW}% interval {span(decay.low, decay.high, digits)}, {decay.months} months)"
    if (days := decay.days(margin)) is None:
        return f"A model loses {told}: no loss is shown."
    return f"A model loses {told}, and the gate's margin of {short(margin)} in {days} days."


def section(
    found: Sequence[Score], decay: Decay | None, metric: str, margin: float
) -> Section | None:
    """A closed section; None where no model has seen a later month."""
    if not found:
        return None
    months = sorted({score.month for score in found})[-COLUMNS:]
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    for score in found:
        cells.setdefault((score.until, score.model), {})[score.month] = score.value
    digits = places(found[-1].value) if metric in IN_UNITS else 3
    rows = [
        [
            f"{solid(until)}<br><sub>{code(model[:8])}</sub>",
            *(number(own.get(month), digits) for month in months),
        ]
        for (until, model), own in sorted(cells.items())
    ]
    head = ["Data until", *map(solid, months)]
    drawn = table(head, "l" + "r" * len(months), rows)
    note = f"{title(metric)} of each model of `main` on the months after its data."
    return Section("Staleness", sentence(decay, metric, margin), f"{drawn}\n\n<sub>{note}</sub>")


def solid(day: str) -> str:
    """A date that no line break parts."""
    return day.replace("-", "\N{NON-BREAKING HYPHEN}")
