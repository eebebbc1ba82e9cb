"""The report where nothing could be compared: what failed, why, and what to do next.

It is a function of text, and imports nothing that is not Python's own: a job that has none of the
team's code can make it.
"""

import re

from ..text import clean, code, fence, harmless, prose

CAUSES = {
    "params": (
        "`params.yaml` is not valid",
        "Correct the value and push; `make repro` says the same on a laptop.",
    ),
    "contract": (
        "the data breaks its contract",
        "Mend the source, or the contract in `schema.py`, then `make repro` and push.",
    ),
    "lock": (
        "`dvc.lock` does not hold together",
        "Run `make repro` on this branch, `make push`, then commit `dvc.lock` and `reports/`.",
    ),
    "store": (
        "the store lacks what `dvc.lock` names",
        "Run `make push` where the model was trained, then run this job again.",
    ),
    "unreachable": (
        "the store cannot be reached",
        "Run this job again once the Git server answers; nothing is lost.",
    ),
    "train": (
        "training failed",
        "`make repro` does the same on a laptop; the job's log has all that it printed.",
    ),
    "data": (
        "the data could not be brought in",
        "`make repro` does the same on a laptop; the job's log has all that it printed.",
    ),
    "start": (
        "the night could not start its training",
        "Run the failed job again, or wait for the next night: nothing is done twice.",
    ),
    "publish": (
        "the model could not be published",
        "Run the failed job again: what it did already is found and not done twice.",
    ),
    "compare": (
        "the models could not be compared",
        "`make compare` does the same on a laptop; the job's log has all that it printed.",
    ),
}
"""What is told for each kind of failure: what is wrong, and the next step."""

NOTHING = "No model was judged, so there is nothing to compare."
BELOW = "Nothing was committed. What was compared follows."

LINES = 60
"""The most lines of details; of a longer log its end is kept, of a table its beginning."""


def report(cause: str, sentence: str, details: str | None = None) -> str:
    """The report, as Markdown.

    Args:
        cause: a key of `CAUSES`, or the name of the job that failed.
        sentence: what the failed command said; only its first paragraph is told.
        details: a table of violations, or the end of a log.
    """
    what, step = CAUSES.get(cause, (f"{code(cause)} failed", "The job's log has all it printed."))
    first = re.split(r"\n\s*\n", sentence.strip())[0]
    said = prose(first) if first else "It left no sentence behind."
    parts = [f"### ⛔ Blocked: {what}", said, shown(details or "")]
    parts += [
        f"**Next:** {step}",
        f"<sub>{BELOW if cause == 'publish' else NOTHING}</sub>",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def shown(details: str) -> str:
    """A table that does nothing but show, as it is; all else as a code block."""
    lines = [line for line in details.splitlines() if line.strip()]
    rows = [line for line in lines if line.startswith("|")]
    if len(rows) > 2 and all(map(plain, rows)):
        return "\n".join(rows[:LINES])
    return fence([clean(line, 200) for line in lines[-LINES:]], "text") if lines else ""


def plain(row: str) -> bool:
    """Whether each cell of a row holds only code spans, harmless words and commas."""
    if len(row) > 2000 or "watermark.png" in row or not row.isprintable():
        return False
    return all(map(harmless_cell, re.split(r"(?<!\\)\|", row)))


def harmless_cell(cell: str) -> bool:
    rest = re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", " ", cell)
    words = re.sub(r",|:?-{2,}:?", " ", rest).split()
    return all(harmless(place, word) for place, word in enumerate(words, 1))
