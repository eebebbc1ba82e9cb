"""A night in a test: the schedule's time comes, and what is left behind in the morning."""

import time
from dataclasses import dataclass

from rig import Pull, Run
from rig.pull import Issue
from team import Team, set_params

TITLE = "Nightly retraining fails"


@dataclass(frozen=True)
class Night:
    """The run of `retrain`, and the run of `model` that it started."""

    look: Run
    model: Run | None
    seconds: float

    @property
    def summary(self) -> str:
        return self.look.summary.get("look", "")


def night(team: Team, until: str = "", force: str = "", at_once: int = 1, event: str = "") -> Night:
    """The schedule's time comes; with an input somebody starts the workflow, by an event a system
    that knows of new data or of drift."""
    started = time.monotonic()
    if event:
        payload = {"until": until, "reason": force}
        team.hub.repository_dispatch(event, payload, by=team.person)
    elif until or force:
        inputs = {"until": until, "force": force}
        team.hub.dispatch("retrain.yml", "main", inputs, by=team.person)
    else:
        team.hub.schedule("retrain.yml")
    runs = [run for run in team.hub.run(at_once) if not run.waiting]
    looks = [run for run in runs if run.workflow == "retrain"]
    models = [run for run in runs if run.workflow == "model"]
    return Night(looks[0], models[-1] if models else None, time.monotonic() - started)


def change_main(team: Team, **values: str) -> str:
    """Change numbers on `main` that train nothing; the commit."""
    team.start("main")
    set_params(team.laptop, **values)
    commit = team.push("Other numbers")
    team.hub.run()
    return commit


def proposals(team: Team) -> list[Pull]:
    """The open pull requests of nights."""
    return [pull for pull in team.hub.pulls("open") if pull.head == "retrain"]


def issues(team: Team) -> list[Issue]:
    """The issues of nights that failed, the closed ones too."""
    return [issue for issue in team.hub.issues if issue.title == TITLE]


def texts(issue: Issue) -> list[str]:
    """What it says, first to last."""
    return [issue.body, *(comment.body for comment in issue.comments)]


def merge(team: Team) -> Pull:
    """A person merges the open proposal."""
    (pull,) = proposals(team)
    assert pull.refusal() is None, pull.refusal()
    pull.merge(team.person)
    team.hub.run()
    return pull
