"""Everything that was ever in production, as `make audit` lists it."""

from typing import Any

from . import draw
from .timeline import STILL, value

HEAD = ["Version", "From", "To", "Merged by", "Model", "Data", "Metric", "Why it left"]
Data = dict[str, Any]


def panel(data: Data) -> str:
    """The table, the newest first."""
    if not data["releases"]:
        return draw.tag("p", "An entry for each merge into release comes here.", class_="empty")
    rows = [entry(each, data["web"]) for each in reversed(data["releases"])]
    return draw.table(HEAD, rows, numeric=[6])


def entry(found: Data, web: str) -> list[str]:
    pull = found["pull request"]
    number = " " + draw.link(f"#{pull}", f"{web}/pull/{pull}") if pull else ""
    return [
        draw.tag("b", draw.text(found["version"])),
        draw.clock(draw.seconds(found["from"])),
        draw.clock(draw.seconds(found["to"]))
        if found["to"]
        else draw.tag("span", STILL, class_="solid"),
        draw.text(found["merged by"]) + number,
        draw.code(found["model"]),
        draw.code(found["data"]),
        draw.text(value(found)),
        draw.text(found["left"] or "–", 300),
    ]
