"""The operational numbers: each with what it stands on and how it is defined."""

from collections.abc import Callable
from typing import Any

from ..text import NARROW, number, percent
from . import draw

WIDTH, HEIGHT, EDGE = 220, 34, 6

Data = dict[str, Any]

FORMATS: dict[str, Callable[[float], str]] = {
    "seconds": draw.duration,
    "share": percent,
    "percent": lambda value: f"{number(value, 0)}{NARROW}%",
}


def panel(data: Data) -> str:
    """A card for each, and the same as a table."""
    told = "A median with the least and the most that was seen, or a share with its 95 % interval "
    told += "(Wilson, 1927). Where nothing is known, no number stands."
    guide = draw.tag("a", "DORA", href="https://dora.dev/guides/dora-metrics/", rel="noreferrer")
    lead = (
        f"{draw.text(told, 300)} {guide}: its definitions, a deployment being a merge into release."
    )
    cards = "".join(card(each) for each in data["numbers"])
    rows = [
        [
            draw.text(said, 300)
            for said in (each["name"], shown(each), basis(each), each["definition"])
        ]
        for each in data["numbers"]
    ]
    head = ["Number", "Value", "Stands on", "Definition"]
    whole = draw.tag("p", lead, class_="lead") + draw.tag("div", cards, class_="cards")
    return whole + draw.folded("The numbers, as a table", draw.table(head, rows)) + unasked(data)


def unasked(data: Data) -> str:
    """That GitHub could not be asked, and how old what it said is then."""
    if not data["unasked"]:
        return ""
    since = f"what it said until {draw.date(data['asked'])} is kept" if data["asked"] else ""
    told = (
        f"GitHub could not be asked for the retraining's pull requests; {since or 'it never was'}"
    )
    return draw.tag("p", f"{draw.text(told, 200)}: {draw.prose(data['unasked'])}", class_="warning")


def card(each: Data) -> str:
    known = each["value"] is not None
    pill = draw.tag("span", "DORA", class_="pill") if each["source"] == "DORA" else ""
    parts = [
        draw.tag("h3", draw.text(each["name"]) + pill),
        draw.tag("p", draw.text(shown(each)), class_="value" if known else "value unknown"),
        draw.tag("p", draw.text(basis(each), 300), class_="basis"),
        drawing(each) if known else "",
        draw.tag("p", draw.text(each["definition"], 300), class_="definition"),
    ]
    return draw.tag("article", "".join(parts), class_="card")


def shown(each: Data) -> str:
    if each["value"] is None:
        return "not known"
    return FORMATS[each["unit"]](each["value"])


def basis(each: Data) -> str:
    """On how many observations it stands, and how far apart they are."""
    if each["value"] is None:
        return str(each["note"])
    ends = [FORMATS[each["unit"]](each[key]) for key in ("low", "high")]
    apart = f"{ends[0]} to {ends[1]}" if ends[0] != ends[1] else ""
    of = each["of"].replace("(s)", "" if each["n"] == 1 else "s")
    return "; ".join(part for part in (f"n = {each['n']} {of}", apart, each["note"]) if part)


def drawing(each: Data) -> str:
    """The observations in their order, or a share with its interval."""
    if each["unit"] == "share":
        return interval(each)
    return trend(each) if len(each["points"]) > 1 else ""


def trend(each: Data) -> str:
    points = each["points"][-24:]
    high = max(points) or 1
    step = (WIDTH - 2 * EDGE) / (len(points) - 1)
    places = [
        (EDGE + step * i, HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * value / high)
        for i, value in enumerate(points)
    ]
    told = f"{each['name']}: the last {len(points)}, the newest {FORMATS[each['unit']](points[-1])}"
    parts = [
        draw.line(EDGE, HEIGHT - EDGE, WIDTH - EDGE, HEIGHT - EDGE, "grid"),
        draw.path(places, "trend"),
        *(draw.dot(x, y, 2, "model") for x, y in places[:-1]),
        draw.dot(*places[-1], 3.5, "champion"),
    ]
    return draw.picture(told, WIDTH, HEIGHT, "".join(parts))


def interval(each: Data) -> str:
    """A share on a line from none to all, with its interval."""
    middle = HEIGHT / 2

    def x(value: float) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * value

    parts = [
        draw.line(x(0), middle, x(1), middle, "grid"),
        draw.rect(x(each["low"]), middle - 4, x(each["high"]) - x(each["low"]), 8, "band"),
        draw.dot(x(each["value"]), middle, 4.5, "champion"),
    ]
    told = f"{each['name']}: {shown(each)} on a line from 0 to 100 %, {basis(each)}"
    return draw.picture(told, WIDTH, HEIGHT, "".join(parts))
