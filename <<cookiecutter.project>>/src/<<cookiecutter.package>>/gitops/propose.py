"""The pull request of a training that was dispatched, or the issue that says why there is none.

Standard library only: the job can write, and runs none of the team's code.
"""

import json
import os
from pathlib import Path
from urllib.parse import quote

from ..errors import ProjectError
from ..text import prose
from . import github, incident, pulls
from .conclude import output, passed

NIGHTLY = "retrain"
"""The branch of the nights."""

BASE = "main"
WORTH = ("better", "first")
"""The verdicts for which a pull request is opened; any brings one that is open up to date."""


def run(comparison: Path, report: Path, branch: str) -> None:
    """Open the pull request of a better model; where a night failed, write the issue.

    TITLE and REASON, in the environment, are what it says; FAILED is true where a job failed.

    Args:
        comparison: absent where a job failed before it.

    Raises:
        ProjectError: GitHub refuses; where its settings do, which one to switch on.
    """
    judged = comparison.exists() and os.environ.get("FAILED") != "true"
    found = json.loads(comparison.read_text(encoding="utf-8")) if judged else None
    good = found is not None and passed(found)
    known = pulls.number(branch, BASE)
    if known:
        if found and branch == NIGHTLY:
            github.ask("PATCH", f"/pulls/{known}", words(branch))
        output("number", str(known))
    elif good and found and found["verdict"] in WORTH:
        output("number", str(opened(branch)))
    if branch == NIGHTLY and good:
        incident.close()
    elif branch == NIGHTLY:
        incident.tell(report.read_text(encoding="utf-8"))


def words(branch: str) -> dict[str, str]:
    """Title and text of the pull request: what this night trained on."""
    why = prose(os.environ.get("REASON") or "it was asked for", 900)
    return {
        "title": os.environ.get("TITLE") or f"Train {branch}",
        "body": f"Trained because {why}.",
    }


def opened(branch: str) -> int:
    """Open it; a night writes the issue where GitHub refuses.

    Raises:
        ProjectError: GitHub refuses.
    """
    body = {**words(branch), "head": branch, "base": BASE}
    page = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    try:
        return pulls.create(body, f"{page}/compare/{BASE}...{quote(branch)}?expand=1")
    except ProjectError as error:
        print(f"propose: {error}")  # also where GitHub takes no issue either
        if branch == NIGHTLY:
            incident.tell(f"A better model is on the branch `{branch}`. {error}")
        raise
