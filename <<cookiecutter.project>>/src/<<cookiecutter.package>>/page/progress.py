"""The headline metric of each model that `main` had, with its interval; champions are marked."""

import math
from typing import Any

from ..reporting.charts import bounds, nice
from ..reporting.wording import IN_UNITS, heading, lower, title
from ..text import number, places, span
from . import draw

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 250, 46, 14, 26, 26
GAP = 15
"""Pixels between two models, at least: a longer history shows its newest ones."""

Data = dict[str, Any]


def panel(data: Data) -> str:
    """The drawing, the same as a table, and what both mean."""
    models = [each for each in data["models"] if each["value"] is not None]
    if not models:
        told = "main has no model with a metric yet. A pull request that changes what the model "
        told += "depends on trains one; after its merge this page shows its metric and interval."
        return draw.tag("p", draw.prose(told), class_="empty")
    metric = models[-1]["metric"]
    drawn = [each for each in models if each["metric"] == metric]
    versions = shipped(data)
    chart = draw.figure(
        f"{title(metric)} of {counted(drawn)}",
        lambda width: chart_of(drawn, versions, metric, width),
        listed(models, versions),
    )
    return draw.tag("p", lead(models, drawn, metric), class_="lead") + chart


def lead(models: list[Data], drawn: list[Data], metric: str) -> str:
    """What the drawing shows, and what it cannot."""
    told = f"{heading(metric)} of {counted(drawn)} on main, each on the rows held out at its time, "
    told += "with its interval. " + ("Low values are good. " if lower(metric) else "")
    told += "Intervals of two models overlap even where one is clearly better: a pull request's "
    told += "report compares both on the same rows."
    if len(drawn) > (draw.SMALL - LEFT - RIGHT) // GAP:
        told += " The newest are drawn, as many as there is room for."
    if others := len(models) - len(drawn):
        told += f" {others} earlier with another headline metric: in the table alone."
    return draw.text(told, 600)


def counted(models: list[Data]) -> str:
    return f"{len(models)} model{'s' * (len(models) != 1)}"


def shipped(data: Data) -> dict[str, list[str]]:
    """The versions under which each model was in production."""
    found: dict[str, list[str]] = {}
    for entry in data["releases"]:
        found.setdefault(entry["model"], []).append(entry["version"])
    return found


def digits(metric: str, value: float | None) -> int:
    return places(value) if metric in IN_UNITS else 3


def worth(model: Data) -> str:
    """Its metric and interval in words."""
    count = digits(model["metric"], model["value"])
    text = f"{title(model['metric'])} {number(model['value'], count)}"
    known = model["low"] is not None and model["high"] is not None
    return f"{text} ({span(model['low'], model['high'], count)})" if known else text


def listed(models: list[Data], versions: dict[str, list[str]]) -> str:
    rows = [
        [
            draw.text(draw.moment(each["when"])),
            draw.code(each["model"]),
            draw.text(worth(each)),
            draw.text(", ".join(versions.get(each["model"], [])) or "–"),
        ]
        for each in reversed(models)
    ]
    return draw.table(["On main since", "Model", "Metric", "In production as"], rows)


def chart_of(models: list[Data], versions: dict[str, list[str]], metric: str, width: int) -> str:
    """The drawing: models from left to right, as many as there is room for."""
    room = width - LEFT - RIGHT
    shown = models[-(room // GAP) :]
    ends = [each[key] for each in shown for key in ("value", "low", "high")]
    low, high = bounds(ends)
    foot = HEIGHT - BOTTOM

    def x(place: int) -> float:
        return LEFT + room * (place + 0.5) / len(shown)

    def y(value: float) -> float:
        return foot - (foot - TOP) * (value - low) / (high - low)

    points = [(x(i), y(each["value"])) for i, each in enumerate(shown)]
    parts = [*scale(low, high, width, y), draw.path(points, "trend"), *days(shown, x, width)]
    last = -100.0
    for (place, height), each in zip(points, shown, strict=True):
        names = versions.get(each["model"], [])
        parts.append(mark(each, names, place, height, y))
        if names and place - last >= 24:
            top = y(each["high"]) if each["high"] is not None else height
            parts.append(draw.words(place, max(top - 7, 12), names[-1], "version", "middle"))
            last = place
    told = f"{title(metric)} of {counted(shown)}, the newest {worth(shown[-1])}"
    return draw.picture(told, width, HEIGHT, "".join(parts))


def mark(model: Data, versions: list[str], x: float, height: float, y: Any) -> str:
    """A model: its interval and its value; one that was in production is filled."""
    told = f"{draw.moment(model['when'])}, model {model['model'][:8]}: {worth(model)}"
    if versions:
        told += f", in production as {', '.join(versions)}"
    parts = []
    if model["low"] is not None and model["high"] is not None:
        low, high = y(model["low"]), y(model["high"])
        ends = [draw.line(x - 3, end, x + 3, end, "interval") for end in (low, high)]
        parts = [draw.line(x, low, x, high, "interval"), *ends]
    parts.append(draw.dot(x, height, 5 if versions else 4, "champion" if versions else "model"))
    return draw.group(told, *parts)


def scale(low: float, high: float, width: int, y: Any) -> list[str]:
    """Lines across, each with its value."""
    step = nice((high - low) / 5, (1, 2, 5))
    values = [
        step * i for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]
    lines = [draw.line(LEFT, y(value), width - RIGHT, y(value), "grid") for value in values]
    names = [
        draw.words(LEFT - 8, y(value) + 4, number(value, places(step, 1)), "tick", "end")
        for value in values
    ]
    return lines + names


def days(models: list[Data], x: Any, width: int) -> list[str]:
    """The days of some of the models, as many as there is room for."""
    last, found = -1000.0, []
    for i, each in enumerate(models):
        if x(i) - last >= 78 and x(i) <= width - 24:
            found.append(
                draw.words(x(i), HEIGHT - 6, draw.date(each["when"], True), "tick", "middle")
            )
            last = x(i)
    return found
