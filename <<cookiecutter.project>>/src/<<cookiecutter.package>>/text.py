"""Markdown that a stranger's text cannot break: code spans, tables, numbers, closed sections."""

import html
import math
import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby

MINUS, NARROW = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"

WORD = re.compile(
    r"[(\"'“‘+−-]*[^\W_]+(?:[.,'’+−–-][^\W_]+)*%?[)\"'”’]*[.,;:!?]*|[→≥≤≈±×–]|%[.,;:]?"
)
"""A word that is no Markdown and that GitHub does not link."""

WORD_LIMIT = 26
"""Characters of a word in a table: beside it a telephone still has room for the next column."""

LINKED = re.compile(r"(?i)\W*(www\..*|[0-9a-f]{7,40}|[a-z]+-[0-9]+)\W*")
"""What GitHub makes a link of: an address, a commit, a reference to another tracker."""


@dataclass(frozen=True)
class Section:
    """A closed part of a report. The title and its answer are HTML, the body is Markdown."""

    title: str
    answer: str
    body: str

    def __str__(self) -> str:
        summary = f"<summary><b>{self.title}</b>: {self.answer}</summary>"
        return f"<details>{summary}\n\n{self.body}\n\n</details>"


def clean(value: str, limit: int = 60, word: int | None = None) -> str:
    """The value on one line: no control and direction marks, white space folded, cut when long.

    In a table a long word would push the other columns out of sight: `word` is the most of one.
    """
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in value)
    plain = " ".join(cut(one, word or limit) for one in plain.split())
    return cut(plain.replace("watermark.png", "watermark png"), limit)


def cut(value: str, limit: int) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "…"


def code(value: str, limit: int = 60, word: int | None = None) -> str:
    """The value as a code span that shows it and does nothing else.

    The fence is longer than any run of backticks inside: only a real code span keeps GitHub from
    linking, mentioning or rendering what is in it.
    """
    shown = clean(value, limit, word)
    if not shown:
        return "(empty)"
    marks = "`" * (ticks(shown) + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{marks}{pad}{shown}{pad}{marks}"


def ticks(value: str) -> int:
    """The longest run of backticks."""
    return max((len(run) for run in re.findall("`+", value)), default=0)


def cell(value: str) -> str:
    """As `code`, for a column of names."""
    return code(value, 60, WORD_LIMIT)


def prose(sentence: str, limit: int = 600, word: int = 60) -> str:
    """A stranger's sentence: plain words as they are, all else in code spans."""
    words = re.findall(r"`[^`]+`\S*|\S+", clean(sentence, limit, word))
    parts = []
    for safe, run in groupby(enumerate(words), lambda word: harmless(*word)):
        text = " ".join(word for _, word in run)
        bare = text if safe else text.rstrip(".,;:") or text
        parts.append(text if safe else quote(bare, limit) + text[len(bare) :])
    return " ".join(parts) or "(empty)"


def quote(words: str, limit: int) -> str:
    """As `code`; what is between single backticks already loses them."""
    alone = re.fullmatch(r"`([^`]+)`", words)
    return code(alone[1] if alone else words, limit)


def harmless(place: int, word: str) -> bool:
    """Whether a word means nothing to Markdown or GitHub; a list's number would open a list."""
    lists = place == 0 and re.fullmatch(r"\d+[.)]|\W+", word)
    return bool(WORD.fullmatch(word)) and not LINKED.fullmatch(word) and not lists


def logged(said: str) -> str:
    """The text as a job's log may have it: no line of it is a command to GitHub's runner.

    Such a line begins with two colons, or has ##[ anywhere.
    """
    return re.sub(r"(^|[\r\n])(\s*):(?=:)", r"\1\2: ", said).replace("##[", "# #[")


def fence(lines: list[str], language: str = "") -> str:
    """Clean lines as a code block that nothing in them can end."""
    marks = "`" * max(3, ticks("\n".join(lines)) + 1)
    return "\n".join([f"{marks}{language}", *lines, marks])


def link(words: str, address: str | None) -> str:
    """A link, where the address is a plain one; else the words alone."""
    safe = address and re.fullmatch(r"https://[\w.-]+(:\d+)?(/[\w.-]+)*", address)
    return f"[{words}]({address})" if safe else words


def tag(value: str, limit: int = 60) -> str:
    """As `code`, for the inside of an HTML block, where Markdown is not read."""
    return f"<code>{html.escape(clean(value, limit))}</code>" if clean(value) else "(empty)"


def verbatim(picture: str) -> str:
    """A drawing as a code span that is neither trimmed nor broken across lines."""
    return f"`{picture.replace(' ', NARROW)}`"


def table(head: list[str], align: str, rows: list[list[str]]) -> str:
    """A Markdown table of any cells; `align` has one of l, r, c for each column."""
    rule = {"l": ":--", "r": "--:", "c": ":-:"}
    lines = [head, [rule[side] for side in align], *rows]
    cells = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


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
