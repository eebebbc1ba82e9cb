"""Markdown that a stranger's text cannot break: code spans, tables, numbers."""

import re
import unicodedata

MINUS, NARROW = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"


def code(value: str, limit: int = 60) -> str:
    """The value as a code span that shows it and does nothing else.

    Control and direction marks become spaces, white space is folded, a long value is cut, and the
    fence is longer than any run of backticks inside: only a real code span keeps GitHub from
    linking, mentioning or rendering what is in it.
    """
    clean = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in value)
    clean = " ".join(clean.split()).replace("watermark.png", "watermark png")
    if len(clean) > limit:
        clean = clean[: limit - 1] + "…"
    if not clean:
        return "(empty)"
    fence = "`" * (max((len(run) for run in re.findall("`+", clean)), default=0) + 1)
    pad = " " if clean[0] == "`" or clean[-1] == "`" else ""
    return f"{fence}{pad}{clean}{pad}{fence}".replace("|", r"\|")


def table(head: list[str], align: str, rows: list[list[str]]) -> str:
    """A Markdown table; `align` has one of l, r, c for each column."""
    rule = {"l": ":--", "r": "--:", "c": ":-:"}
    lines = [head, [rule[side] for side in align], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """A number with a real minus and comma thousands; an en dash where there is none."""
    if value is None or value != value:
        return "–"
    text = f"{value:+,.{digits}f}" if sign else f"{value:,.{digits}f}"
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)
