"""HTML and SVG in small pieces: what a stranger wrote is escaped here and nowhere else."""

import html
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ..text import NARROW, clean, number

WIDE, SMALL = 840, 340
"""Pixels of a drawing on a screen and on a telephone: one that is scaled could not be read."""

DAY = 86_400
UNITS = ((730 * DAY, 365.25 * DAY, "years"), (2 * DAY, DAY, "days"), (7200, 3600, "h"))
"""From so many seconds on, so many are one of this."""


def text(value: object, limit: int = 60) -> str:
    """Anybody's words, on one line."""
    return html.escape(clean(str(value), limit))


def prose(sentence: str, limit: int = 400) -> str:
    """Anybody's sentence, in which commands stand between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(sentence, limit))


def tag(name: str, content: str = "", **attributes: object) -> str:
    """An element. Its content is markup; its attributes are anything, `class_` is `class`."""
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    told = "".join(f' {key}="{html.escape(str(value))}"' for key, value in given.items())
    return f"<{name}{told}>{content}</{name}>"


def link(words: str, address: str) -> str:
    """A link to a plain address, else the words alone; both are anybody's."""
    safe = re.fullmatch(r"https://[\w.-]+(:\d+)?(/[\w.-]+)*", address)
    return tag("a", text(words), href=address, rel="noreferrer") if safe else text(words)


def code(value: str) -> str:
    """The first eight digits of a hash."""
    return tag("code", text(value[:8])) if value else "–"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """Cells of markup; on a telephone each row becomes a card, so each cell knows its column."""

    def cells(row: Sequence[str]) -> str:
        return "".join(
            tag(
                "td",
                tag("div", cell),
                role="cell",
                data_label=name,
                class_="number" if i in numeric else "",
            )
            for i, (name, cell) in enumerate(zip(head, row, strict=True))
        )

    names = "".join(tag("th", text(n), role="columnheader", scope="col") for n in head)
    top = tag("thead", tag("tr", names, role="row"), role="rowgroup")
    body = "".join(tag("tr", cells(row), role="row") for row in rows)
    return tag("table", top + tag("tbody", body, role="rowgroup"), role="table")


def folded(title: str, body: str) -> str:
    """A closed part."""
    return tag("details", tag("summary", text(title)) + body)


def figure(title: str, draw: Callable[[int], str], rows: str) -> str:
    """A drawing in two sizes, of which one is seen, and the same as a table."""
    both = tag("div", draw(WIDE), class_="wide") + tag("div", draw(SMALL), class_="narrow")
    return tag("figure", both + folded(f"{title}, as a table", rows))


def picture(title: str, width: float, height: float, body: str) -> str:
    box = f"0 0 {width:g} {height:g}"
    size = {"viewBox": box, "width": f"{width:g}", "height": f"{height:g}"}
    return tag("svg", body, role="img", aria_label=clean(title, 300), **size)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    ends = zip(("x1", "y1", "x2", "y2"), (x1, y1, x2, y2), strict=True)
    return tag("line", class_=kind, **{name: f"{value:.1f}" for name, value in ends})


def dot(x: float, y: float, radius: float, kind: str) -> str:
    return tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{radius:g}", class_=kind)


def rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    place = {"x": x, "y": y, "width": width, "height": height, "rx": min(4, width / 2)}
    return tag("rect", class_=kind, **{name: f"{value:.1f}" for name, value in place.items()})


def path(points: Sequence[tuple[float, float]], kind: str) -> str:
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=kind)


def words(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    return tag("text", text(said), x=f"{x:.1f}", y=f"{y:.1f}", class_=kind, text_anchor=anchor)


def group(title: str, *parts: str) -> str:
    """Marks that belong together, and what they say to whoever points at them."""
    return tag("g", tag("title", text(title, 300)) + "".join(parts))


def seconds(when: str) -> float:
    """An ISO time in seconds since 1970."""
    return datetime.fromisoformat(when).timestamp()


def date(when: float, short: bool = False) -> str:
    """A day in UTC; without the year, or to the minute where it is short."""
    day = datetime.fromtimestamp(when, UTC)
    return f"{day.day} {day:%b}" if short else f"{day.day} {day:%b %Y}"


def moment(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M}"


def tick(when: float, span: float) -> str:
    """A time on an axis that is so many seconds long."""
    if span < 2 * DAY:
        return f"{datetime.fromtimestamp(when, UTC):%H:%M}"
    return (
        date(when, short=True) if span < 300 * DAY else f"{datetime.fromtimestamp(when, UTC):%b %Y}"
    )


def clock(when: float) -> str:
    """As `moment`, in two parts between which alone a line may break."""
    return " ".join(tag("span", text(part), class_="solid") for part in moment(when).split())


def duration(length: float) -> str:
    """A length of time with two digits or so."""
    for least, size, unit in (*UNITS, (120, 60, "min"), (0, 1, "s")):
        if length >= least:
            value = length / size
            return f"{number(value, 0 if value >= 10 or unit == 's' else 1)}{NARROW}{unit}"
    return f"0{NARROW}s"
