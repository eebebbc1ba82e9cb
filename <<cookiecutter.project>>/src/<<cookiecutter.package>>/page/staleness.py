"""What age costs a model: the metric of each model of `main` on the months after its data.

A month is hard or easy for every model, so a cell's shade is its distance to the best model of the
same month, in parts of the gate's margin.
"""

from typing import Any

from ..reporting.staleness import sentence
from ..reporting.wording import IN_UNITS, lower, title
from ..staleness import Decay, Score
from ..text import number, places, short
from . import draw
from .progress import shipped

ROW, GAP, TOP = 30, 2, 22
ROOM = {draw.WIDE: (128, 58), draw.SMALL: (100, 48)}
"""Of each width: pixels of a model's name, and of a month at least."""

WIDEST = 110
"""Pixels of a month at most."""

Data = dict[str, Any]


def panel(data: Data) -> str:
    """What thirty days cost in words, the drawing, and the same as a table."""
    found = data["staleness"]
    scores = [Score(**each) for each in found.get("scores", [])]
    if not scores:
        told = "No night has scored a model on months after its data yet. The workflow `retrain` "
        told += "does so for each model of main; what it found comes with the next merge of its "
        told += "pull request."
        return draw.tag("p", draw.prose(told), class_="empty")
    metric, margin = found["metric"], found["margin"]
    versions = shipped(data)
    decay = Decay(**found["decay"]) if found["decay"] else None
    chart = draw.figure(
        f"{title(metric)} on later months",
        lambda width: chart_of(scores, versions, metric, margin, width),
        listed(scores, versions, metric),
    )
    told = draw.tag("p", draw.prose(sentence(decay, metric, margin)), class_="finding")
    return (
        told
        + draw.tag("p", draw.text(lead(found["until"], metric, margin), 600), class_="lead")
        + chart
    )


def lead(until: str, metric: str, margin: float) -> str:
    """What the drawing shows."""
    told = f"{title(metric)} of main's models on the months after their data, as the night with "
    told += f"data until {until} found it. A month is hard or easy for every model, so the shade "
    told += "is the distance to the month's best: pale from half the gate's margin of "
    return f"{told}{short(margin)} on, strong and bold from the whole of it."


def digits(metric: str, scores: list[Score]) -> int:
    return places(scores[-1].value) if metric in IN_UNITS else 3


def named(score: Score, versions: dict[str, list[str]]) -> str:
    """How far its data reach, and as what it was in production last."""
    known = versions.get(score.model, [])
    return f"{score.until} {known[-1]}" if known else score.until


def models(scores: list[Score]) -> dict[tuple[str, str], dict[str, Score]]:
    """Each model's scores by month; the one with the oldest data first."""
    found: dict[tuple[str, str], dict[str, Score]] = {}
    for score in sorted(scores, key=lambda score: (score.until, score.model)):
        found.setdefault((score.until, score.model), {})[score.month] = score
    return found


def listed(scores: list[Score], versions: dict[str, list[str]], metric: str) -> str:
    count = digits(metric, scores)
    rows = [
        [
            solid(until),
            draw.code(model),
            draw.text(", ".join(versions.get(model, [])) or "–"),
            ", ".join(solid(f"{month} {number(own[month].value, count)}") for month in sorted(own)),
        ]
        for (until, model), own in models(scores).items()
    ]
    return draw.table(["Data until", "Model", "In production as", "By month"], rows)


def solid(words: str) -> str:
    """Words that no line break parts."""
    return draw.tag("span", draw.text(words), class_="solid")


def chart_of(
    scores: list[Score],
    versions: dict[str, list[str]],
    metric: str,
    margin: float,
    width: int,
) -> str:
    """The drawing: a row for each model, a column for each of the newest months."""
    left, least = ROOM[width]
    months = sorted({score.month for score in scores})[-int((width - left) // least) :]
    step = min((width - left) / len(months), WIDEST)
    best = {
        month: leader([s.value for s in scores if s.month == month], metric) for month in months
    }
    rows = [own for own in models(scores).values() if set(own) & set(months)]
    parts = [draw.words(0, 12, "data until", "tick")]
    parts += [
        draw.words(left + step * (i + 0.5), 12, month, "tick", "middle")
        for i, month in enumerate(months)
    ]
    for i, own in enumerate(rows):
        top = TOP + ROW * i
        name = named(next(iter(own.values())), versions)
        parts.append(draw.words(0, top + ROW / 2 + 3, name, "tick"))
        parts += [
            cell(own[month], best[month], metric, margin, left + step * j, top, step)
            for j, month in enumerate(months)
            if month in own
        ]
    told = f"{title(metric)} of {len(rows)} models on {len(months)} months after their data"
    return draw.picture(told, width, TOP + ROW * len(rows), "".join(parts))


def leader(values: list[float], metric: str) -> float:
    return min(values) if lower(metric) else max(values)


def cell(
    score: Score, best: float, metric: str, margin: float, x: float, y: float, width: float
) -> str:
    """One model on one month, the darker the further behind the month's best."""
    behind = abs(best - score.value)
    level = sum(behind >= part * margin for part in (0.5, 1)) if behind else 0
    count = digits(metric, [score])
    told = f"Data until {score.until}, on {score.month}, {score.age} days later: "
    told += f"{number(score.value, count)}, {number(behind, max(count, 4))} behind the best"
    shade = draw.rect(x, y, width - GAP, ROW - GAP, f"heat{level}")
    kind = "version" if level == 2 else ""
    value = draw.words(
        x + (width - GAP) / 2, y + ROW / 2 + 3, number(score.value, count), kind, "middle"
    )
    return draw.group(told, shade, value)
