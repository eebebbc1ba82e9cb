"""The report of a run in which a job failed: which one, and the sentence that it left."""

import json
from pathlib import Path

from ..report import problem

ORDER = ("validate", "train", "compare", "publish")


def run(results: str, folder: Path, output: Path) -> None:
    """Write the report; what was compared before stays below it.

    Args:
        results: the workflow's `needs` as JSON.
        folder: the artifacts that failed jobs left, `problem-JOB` each.
    """
    needs = json.loads(results)
    ended = [job for job in ORDER if needs.get(job, {}).get("result") in ("failure", "cancelled")]
    job = ended[0] if ended else "validate"
    left = folder / f"problem-{job}"
    sentence, table = (read(left / name) for name in ("problem.txt", "reports/violations.md"))
    text = problem(job, sentence or "It left no sentence: the log of the run has more.", table)
    before = read(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(f"{text}\n\n{before}" if before else text, encoding="utf-8")
    print(f"problem: {job}: {sentence}")


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
