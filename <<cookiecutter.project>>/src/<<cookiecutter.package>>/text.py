"""Markdown that a stranger's text cannot break: code spans, tables, numbers, closed sections."""

import html
import math
import re
import unicodedata
from dataclasses import dataclass

MINUS, NARROW = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Section:
    """A closed part of a report. The title and its answer are HTML, the body is Markdown."""

    title: str
    answer: str
    body: str

    def __str__(self) -> str:
        summary = f"<summary><b>{self.title}</b>: {self.answer}</summary>"
        return f"<details>{summary}\n\n{self.body}\n\n</details>"


def clean(value: str, limit: int = 60) -> str:
    """The value on one line: no control and direction marks, white space folded, cut when long."""
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in value)
    plain = " ".join(plain.split()).replace("watermark.png", "watermark png")
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def code(value: str, limit: int = 60) -> str:
    """The value as a code span that shows it and does nothing else.

    The fence is longer than any run of backticks inside: only a real code span keeps GitHub from
    linking, mentioning or rendering what is in it.
    """
    shown = clean(value, limit)
    if not shown:
        return "(empty)"
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}".replace("|", r"\|")


def tag(value: str, limit: int = 60) -> str:
    """As `code`, for the inside of an HTML block, where Markdown is not read."""
    return f"<code>{html.escape(clean(value, limit))}</code>" if clean(value) else "(empty)"


def verbatim(picture: str) -> str:
    """A drawing as a code span that is neither trimmed nor broken across lines."""
    return f"`{picture.replace(' ', NARROW)}`"


def table(head: list[str], align: str, rows: list[list[str]]) -> str:
    """A Markdown table; `align` has one of l, r, c for each column."""
    rule = {"l": ":--", "r": "--:", "c": ":-:"}
    lines = [head, [rule[side] for side in align], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """A number with a real minus and comma thousands; an en dash where there is none."""
    if value is None or value != value:
        return "–"
    kind = "e" if abs(value) >= 1e15 else "f"
    text = f"{value:{'+' if sign else ''},.{digits}{kind}}"
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def short(value: float, sign: bool = False) -> str:
    """A round number with no more digits than it has: 0.15, 5,000."""
    return f"{value:{'+' if sign and value else ''},.10g}".replace("-", MINUS)


def places(value: float | None, significant: int = 3) -> int:
    """How many decimals show so many significant digits, from none to six."""
    if not value or not math.isfinite(value):
        return 0
    return min(max(significant - 1 - math.floor(math.log10(abs(value))), 0), 6)


def span(low: float | None, high: float | None, digits: int = 3, sign: bool = False) -> str:
    """An interval that no line break parts."""
    ends = number(low, digits, sign), number(high, digits, sign)
    return f"{NARROW}to{NARROW}".join(ends)


def percent(share: float, digits: int = 0) -> str:
    return f"{number(100 * share, digits)}{NARROW}%"
