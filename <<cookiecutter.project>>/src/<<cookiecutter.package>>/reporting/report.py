"""Write the report: one verdict, the table behind it, and closed sections that say their answer.

It is read from files that the pipeline left and takes nothing from the clock, so equal inputs give
equal bytes but for the commit.
"""

from pathlib import Path

from ..params import Params
from ..text import NARROW, Section
from . import alone, versus
from .facts import Facts, gather
from .provenance import origin
from .sections import sections

LIMIT = 60_000
"""Bytes of a report: a comment on GitHub takes 65,536 characters, CML's own mark among them."""


def run(
    params: Params,
    metrics: Path,
    data: Path,
    system: Path,
    plots: Path,
    lock: Path,
    comparison: Path,
    output: Path,
) -> None:
    """Write `output` and print its headline; the arguments are those of `gather`."""
    facts = gather(params, metrics, data, system, plots, lock, comparison, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(shed(opening(facts), sections(facts), origin(facts)), encoding="utf-8")
    print(f"report: {summary(facts)}; {output}".replace(NARROW, " "))


def opening(facts: Facts) -> str:
    """What a reviewer must see: against base where there is a comparison, else by itself."""
    found = facts.comparison
    return versus.opening(facts, found) if found else alone.opening(facts)


def summary(facts: Facts) -> str:
    """The line for the terminal."""
    found = facts.comparison
    return versus.verdict(found).replace("`", "") if found else alone.headline(facts)


def shed(opening: str, sections: list[Section], closing: str, limit: int = LIMIT) -> str:
    """The whole report; where it is too long, sections are left out from the bottom."""
    kept = list(sections)
    while True:
        left = ", ".join(section.title for section in sections[len(kept) :])
        note = f"Left out, to stay under {limit:,} bytes: {left}." if left else ""
        parts = [opening, *map(str, kept), note, closing]
        text = "\n\n".join(part for part in parts if part) + "\n"
        if len(text.encode()) <= limit or not kept:
            return text
        kept.pop()
