"""Which model was in production when: a row each, and a line wherever it changed."""

from itertools import pairwise
from typing import Any, NamedTuple

from ..text import number
from . import draw
from .progress import digits

ROWS = 12
"""The newest models in production that are drawn."""

STILL = "in production"

ROW, BAR, LEFT, RIGHT, TOP, BOTTOM = 36, 12, 78, 10, 22, 26

Data = dict[str, Any]


class Time(NamedTuple):
    """A stretch of time with one model in production.

    Attributes:
        version: the release that began it.
        back: whether that was a rollback.
        end: None for what is in production.
    """

    model: str
    version: str
    back: bool
    start: float
    end: float | None


def panel(data: Data) -> str:
    """The drawing, and the same as a table."""
    times = stretches(data)
    if not times:
        told = "Nothing is in production yet. `make promote` opens the pull request that puts "
        told += "main's model there; its merge is the first entry here."
        return draw.tag("p", draw.prose(told), class_="empty")
    rows = [
        [
            draw.text(each.version),
            draw.code(each.model),
            draw.text(draw.moment(each.start)),
            draw.text(draw.moment(each.end) if each.end is not None else STILL),
            draw.text(draw.duration((each.end or data["as_of"]) - each.start)),
            draw.text("rollback" if each.back else "promotion"),
        ]
        for each in reversed(times)
    ]
    head = ["Version", "Model", "From", "To", "For", "By"]
    chart = draw.figure(
        "Champions", lambda width: chart_of(times, data["as_of"], width), draw.table(head, rows)
    )
    return draw.tag("p", draw.text(lead(times), 300), class_="lead") + chart


def lead(times: list[Time]) -> str:
    models = len({each.model for each in times})
    back = sum(each.back for each in times)
    told = f"{models} model{'s' * (models != 1)} in production so far, {back or 'no'} "
    told += f"rollback{'s' * (back != 1)}."
    return told + (f" The newest {ROWS} are drawn." if models > ROWS else "")


def stretches(data: Data) -> list[Time]:
    moves = data["moves"]
    ends: list[float | None] = [*(each["since"] for each in moves[1:]), None]
    return [
        Time(each["model"], each["version"], each["back"], each["since"], end)
        for each, end in zip(moves, ends, strict=False)
    ]


def chart_of(times: list[Time], now: float, width: int) -> str:
    """The drawing: time from left to right, the first model at the top."""
    newest = list(dict.fromkeys(each.model for each in reversed(times)))[:ROWS]
    models = [each for each in dict.fromkeys(each.model for each in times) if each in newest]
    shown = [each for each in times if each.model in models]
    first = shown[0].start
    length = max(now - first, 1)
    rows = {model: TOP + ROW * i for i, model in enumerate(models)}
    foot = TOP + ROW * len(models)

    def x(when: float) -> float:
        return LEFT + (width - LEFT - RIGHT) * (when - first) / length

    parts = axis(first, length, width, foot, x)
    for model, top in rows.items():
        parts.append(draw.words(0, top + BAR - 1, model[:8], "tick hash"))
        parts.append(draw.line(LEFT, top + BAR / 2, width - RIGHT, top + BAR / 2, "grid"))
    parts += [change(*pair, rows, x(pair[1].start)) for pair in pairwise(shown) if touch(*pair)]
    parts += [bar(each, rows[each.model], x, now) for each in shown]
    parts += labels(shown, rows, x, width)
    told = f"The models in production since {draw.date(first)}: {lead(times)}"
    return draw.picture(told, width, foot + BOTTOM - 8, "".join(parts))


def touch(one: Time, other: Time) -> bool:
    """Whether none that is not drawn was between them."""
    return one.end == other.start


def change(one: Time, other: Time, rows: dict[str, int], x: float) -> str:
    """A line from one champion to the next."""
    ends = rows[one.model] + BAR / 2, rows[other.model] + BAR / 2
    return draw.line(x, ends[0], x, ends[1], "back" if other.back else "step")


def axis(first: float, length: float, width: int, foot: float, x: Any) -> list[str]:
    """Some times below, each with a line up."""
    steps = 4 if width > 500 else 2
    found = []
    for i in range(steps + 1):
        when = first + length * i / steps
        anchor = "start" if i == 0 else "end" if i == steps else "middle"
        found.append(draw.line(x(when), 6, x(when), foot - 6, "grid upright"))
        found.append(draw.words(x(when), foot + 12, draw.tick(when, length), "tick", anchor))
    return found


def bar(each: Time, top: float, x: Any, now: float) -> str:
    end = each.end if each.end is not None else now
    told = f"{each.version}, model {each.model[:8]}: {draw.moment(each.start)} to "
    told += draw.moment(end) if each.end is not None else STILL
    told += f", {draw.duration(end - each.start)}, by a {'rollback' if each.back else 'promotion'}"
    kind = "now" if each.end is None else "bar"
    return draw.group(
        told, draw.rect(x(each.start), top, max(x(end) - x(each.start), 3), BAR, kind)
    )


def labels(shown: list[Time], rows: dict[str, int], x: Any, width: int) -> list[str]:
    """The version above each bar, where there is room for it."""
    found, last = [], dict[str, float]()
    for each in shown:
        said = f"↩ {each.version}" if each.back else each.version
        place = min(x(each.start) + 5, width - RIGHT - 8 * len(said))
        if place >= last.get(each.model, 0):
            kind = "version rolled" if each.back else "version"
            found.append(draw.words(place, rows[each.model] - 5, said, kind))
            last[each.model] = place + 8 * len(said) + 6
    return found


def value(entry: Data) -> str:
    """A release's headline metric, as it was."""
    known = entry["value"] is not None
    return number(entry["value"], digits(entry["metric"], entry["value"])) if known else "–"
