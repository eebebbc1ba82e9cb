"""Markdown as GitHub would draw it: what of it is more than text in a code span."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from markdown_it.token import Token

HOSTILE = [
    "a|`b`",
    "<img src=x onerror=alert(1)>",
    "@octocat closes #1",
    "one\n::set-output name=train::true",
    "##[error]x",
    "\u202eltr\u2066",
    "${{ secrets.X }}",
    "[x](https://example.org)",
    "</summary></details>\n\n# title",
    "w" * 300,
]
"""Names that somebody may give to a column or a category; the last one is only long."""

OURS = {"b", "br", "code", "details", "sub", "summary"}
"""The tags that a report has; whatever else is a tag came with a stranger's text."""

LIVE = re.compile(r"(?i)@\w|(?<!\w)#\d|https?:|www\.|::|##\[|\$\{\{|<[a-z!/]|javascript:")
"""What GitHub, its runner or a browser would act on, outside of code."""

MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]")
"""Marks of direction, and control characters."""


class Pieces(HTMLParser):
    """The tags of some HTML, and its text outside of `code`."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text: list[str] = []
        self.depth = 0
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(f"{tag} with {attrs}" if attrs else tag)
        self.depth += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "code"

    def handle_data(self, data: str) -> None:
        if not self.depth:
            self.text.append(data)


def live(markdown: str) -> set[str]:
    """What would do more than show: foreign tags, links, mentions, commands, torn tables."""
    found = set(MARKS.findall(markdown))
    for token in tokens(markdown):
        if token.type in ("html_block", "html_inline"):
            pieces = Pieces(token.content)
            found |= pieces.tags - OURS
            found |= set(LIVE.findall(" ".join(pieces.text)))
        elif token.type == "text":
            found |= set(LIVE.findall(token.content))
        elif token.type in ("link_open", "image"):
            found.add(token.type)
    return found | torn(markdown)


def tokens(markdown: str) -> Iterator[Token]:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    for token in parser.parse(markdown):
        yield token
        yield from token.children or []


def torn(markdown: str) -> set[str]:
    """Rows of tables that have another number of cells than the row before."""
    found, before = set(), 0
    for line in markdown.splitlines():
        cells = len(re.split(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        if cells and before and cells != before:
            found.add(line)
        before = cells
    return found


def commands(log: str) -> list[str]:
    """The lines of a log that GitHub's runner would execute."""
    return [line for line in re.split(r"[\r\n]", log) if line.strip()[:2] == "::" or "##[" in line]
