"""The opening of a report on one model: is it worth more than the simple ones beside it?"""

from ..text import NARROW, code, number, span
from .facts import Facts
from .tables import Line, drawn, shared
from .wording import decimals, gain, heading, title, under


def opening(facts: Facts) -> str:
    parts = [f"### {verdict(facts)}", reason(facts), metrics(facts), method(facts)]
    return "\n\n".join(parts)


def headline(facts: Facts, bold: str = "") -> str:
    """The headline metric, its interval, and on how many rows it stands."""
    found = facts.metrics[facts.headline]
    own = "undefined" if found["value"] is None else number(found["value"], digits(facts))
    text = f"{bold}{title(facts.headline)} {own}{bold}"
    if found["low"] is not None:
        text += f" ({facts.confidence} {span(found['low'], found['high'], digits(facts))})"
    return f"{text} on {facts.held:,} held-out rows"


def digits(facts: Facts, name: str | None = None) -> int:
    """Decimals of a metric; the headline's by default."""
    found = facts.metrics[name or facts.headline]
    return decimals(name or facts.headline, found["value"], gain(found, "linear"))


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
    return f"{headline(facts, '**')}: {gains(facts)}."


def gains(facts: Facts) -> str:
    """What the model gains over the simple ones, as part of a sentence."""
    found = facts.metrics[facts.headline]
    linear = gain(found, "linear").over("a linear model", digits(facts))
    dummy = gain(found, "dummy").over("a constant", digits(facts))
    return f"{linear}; {dummy}"


def metrics(facts: Facts) -> str:
    """The table of all metrics: what the model gains over the linear one, drawn."""
    relative = facts.params.task.kind == "regression"
    head = ["Metric", "Result", f"Model<br><sub>{facts.confidence}</sub>", "Linear", "Constant"]
    head.append(f"Gain<br><sub>over{NARROW}linear</sub>")
    lines = []
    for name, found in facts.measured():
        over = gain(found, "linear")
        drawing = shared(name, found["linear"]["value"], over) if relative else over
        lines.append(Line(cells(facts, name), drawing))
    return drawn(head, "llrrrr", lines, relative)


def cells(facts: Facts, name: str) -> list[str]:
    """One metric's cells."""
    found, count = facts.metrics[name], digits(facts, name)
    over = gain(found, "linear")
    bold = "**" if name == facts.headline else ""
    own = f"{bold}{number(found['value'], count)}{bold}"
    return [
        f"{bold}{heading(name)}{bold}",
        over.word.replace(" ", NARROW),
        f"{own}{under(found['low'], found['high'], count)}",
        number(found["linear"]["value"], count),
        number(found["dummy"]["value"], count),
        f"{number(over.value, count, sign=True)}{under(over.low, over.high, count, sign=True)}",
    ]


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
