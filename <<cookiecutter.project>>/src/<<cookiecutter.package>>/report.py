"""Write the report: one verdict, the table behind it, and closed sections that say their answer.

It is read from files that the pipeline left and takes nothing from the clock, so equal inputs give
equal bytes but for the commit.
"""

from pathlib import Path
from typing import Any

from .charts import Axis, balanced, drawing
from .facts import Facts, gather
from .params import Params
from .sections import origin, sections
from .text import NARROW, Section, code, number, short, span, table, verbatim
from .wording import Gain, decimals, gain, heading, title, under

LIMIT = 60_000
"""Bytes of a report: a comment on GitHub takes 65,536 characters, CML's own mark among them."""


def run(
    params: Params, metrics: Path, data: Path, system: Path, plots: Path, lock: Path, output: Path
) -> None:
    """Write `output` and print its headline; the arguments are those of `gather`."""
    facts = gather(params, metrics, data, system, plots, lock, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(shed(opening(facts), sections(facts), origin(facts)), encoding="utf-8")
    print(f"report: {headline(facts)}; {output}".replace(NARROW, " "))


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


def headline(facts: Facts, bold: str = "") -> str:
    """The headline metric, its interval, and on how many rows it stands."""
    found = facts.metrics[facts.headline]
    digits = decimals(facts.headline, found)
    own = "undefined" if found["value"] is None else number(found["value"], digits)
    text = f"{bold}{title(facts.headline)} {own}{bold}"
    if found["low"] is not None:
        text += f" ({facts.confidence} {span(found['low'], found['high'], digits)})"
    return f"{text} on {facts.held:,} held-out rows"


def opening(facts: Facts) -> str:
    parts = [f"### {verdict(facts)}", reason(facts), comparison(facts), method(facts)]
    return "\n\n".join(parts)


def verdict(facts: Facts) -> str:
    """Whether the model is worth its complexity, in words."""
    found = facts.metrics[facts.headline]
    linear, dummy = gain(found, "linear"), gain(found, "dummy")
    if found["value"] is None:
        return f"⚪ Not judged: {title(facts.headline)} is undefined on these held-out rows"
    if dummy.worse:
        return "⛔ Worse than a constant, which knows nothing of the features"
    if linear.worse:
        return "⛔ Worse than a linear model"
    if not dummy.better:
        return "⚪ Not clearly better than a constant, which knows nothing of the features"
    if not linear.better:
        return "⚪ Not clearly better than a linear model: the simpler one may do"
    return "✅ Better than a linear model"


def reason(facts: Facts) -> str:
    """The headline metric, and what the model gains over the simple ones."""
    task, found = facts.params.task, facts.metrics[facts.headline]
    if found["value"] is None:
        needs = "values that differ" if task.kind == "regression" else "both classes"
        return f"It needs {needs} of {code(task.target)} among the {facts.held:,} held-out rows."
    digits = decimals(facts.headline, found)
    linear = gain(found, "linear").over("a linear model", digits)
    dummy = gain(found, "dummy").over("a constant", digits)
    return f"{headline(facts, '**')}: {linear}; {dummy}."


def comparison(facts: Facts) -> str:
    """The table of all metrics: what the model gains over the linear one, drawn."""
    relative = facts.params.task.kind == "regression"
    gains = {name: gain(found, "linear") for name, found in facts.measured()}
    drawn = {n: scaled(n, facts.metrics[n], g) if relative else g for n, g in gains.items()}
    axis = balanced(end for one in drawn.values() for end in one)
    head = ["Metric", "Result", f"Model<br><sub>{facts.confidence}</sub>", "Linear", "Constant"]
    head.append(f"Gain<br><sub>over{NARROW}linear</sub>")
    head.append(f"{verbatim('worse ◄───│──► better')}<br><sub>{scale(axis, relative)}</sub>")
    lines = [
        [*line(facts, name), drawing(one.low, one.value, one.high, axis)]
        for name, one in drawn.items()
    ]
    return table(head, "llrrrrc", lines)


def scale(axis: Axis, relative: bool) -> str:
    """What the ends of the drawings stand for."""
    factor, unit = (100, f"{NARROW}%") if relative else (1, "")
    ends = [short(factor * end, sign=True) + unit for end in (axis.left, axis.right)]
    return f"{NARROW}to{NARROW}".join(ends)


def line(facts: Facts, name: str) -> list[str]:
    """One metric's cells."""
    found = facts.metrics[name]
    digits, over = decimals(name, found), gain(found, "linear")
    bold = "**" if name == facts.headline else ""
    own, change = number(found["value"], digits), number(over.value, digits, sign=True)
    return [
        f"{bold}{heading(name)}{bold}",
        over.word.replace(" ", NARROW),
        f"{bold}{own}{bold}{under(found['low'], found['high'], digits)}",
        number(found["linear"]["value"], digits),
        number(found["dummy"]["value"], digits),
        f"{change}{under(over.low, over.high, digits, sign=True)}",
    ]


def scaled(name: str, found: dict[str, Any], gain: Gain) -> Gain:
    """The gain as a share of the linear model's error, so that units compare.

    The error behind R² is the share of the variance that is left unexplained.
    """
    linear = found["linear"]["value"]
    error = None if linear is None else 1 - linear if name == "r2" else abs(linear)
    return Gain(*(end / error if error and end is not None else None for end in gain))


def method(facts: Facts) -> str:
    """What the table's words and drawings mean, in small print."""
    text = "Linear and constant: the simple models that were trained beside it. "
    text += f"In brackets: {facts.confidence}s. "
    text += "A gain is positive where the model is better, and is taken before rounding. "
    text += "▲ and ▼ only where its interval leaves out 0. ↓: low values are good. "
    if facts.params.task.kind == "regression":
        text += "The drawing shows the gain as a share of the linear model's error"
        text += " (behind R²: of the variance that it leaves unexplained). "
    return f"<sub>{text}{independence(facts)}</sub>"


def independence(facts: Facts) -> str:
    """What the intervals stand on."""
    cluster, held = facts.params.task.cluster, facts.metrics["holdout"]
    if cluster is None:
        return (
            "Rows are treated as independent: if they come in groups, the intervals are too narrow "
            "(`task.cluster` in `params.yaml` names the group)."
        )
    if facts.metrics[facts.headline]["low"] is None:
        return f"There are no intervals: the held-out rows form {facts.clusters}."
    few = " So few make an interval a rough guess." if held["effective_clusters"] < 10 else ""
    worth = number(held["effective_clusters"], 1)
    return f"Intervals stand on {facts.clusters}, worth {worth} of equal size.{few}"
