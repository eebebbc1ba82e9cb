"""The report of a run in which a job failed: which one, and the sentence that it left."""

import json
from pathlib import Path

from ..reporting.problem import CAUSES, report
from ..text import logged

ORDER = ("look", "start", "validate", "train", "compare", "publish")
"""The jobs whose failure is told; the first that failed is the cause of the others."""

FAILED = ("failure", "cancelled")
"""A job's results that are told; its time limit, too, leaves it cancelled."""

ENDED = "The job was ended before it was done: by its time limit, or by somebody."


def run(results: str, folder: Path, output: Path) -> None:
    """Write the report; what was compared before stays below it.

    Args:
        results: the workflow's `needs` as JSON.
        folder: the artifacts that failed jobs left, one `problem-JOB` each.
    """
    needs = json.loads(results)
    failed = [job for job in ORDER if needs.get(job, {}).get("result") in FAILED]
    job = failed[0] if failed else ORDER[0]
    left = folder / f"problem-{job}"
    command, _, sentence = read(left / "problem.txt").partition(": ")
    if not sentence and needs.get(job, {}).get("result") == "cancelled":
        sentence = ENDED
    table = read(left / "reports/violations.md")
    text = report(cause(job, command, sentence, table), sentence, table)
    before = read(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(f"{text}\n{before}\n" if before else text, encoding="utf-8")
    print(logged(f"problem: {job}: {sentence}"))


def cause(job: str, command: str, sentence: str, table: str) -> str:
    """Which kind of failure it was: a key of `CAUSES`, or the job's name."""
    if sentence.startswith("params.yaml"):
        return "params"
    if table:
        return "contract"
    if "lacks" in sentence and "make push" in sentence:
        return "store"
    if "cannot be read: Git says" in sentence:
        return "unreachable"
    if command == "verify":
        return "lock"
    return job if job in CAUSES else "data"


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
