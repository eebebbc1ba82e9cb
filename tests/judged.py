"""A pull request that proposes another model, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

from baking import BakedProject
from rig import Pull, Run
from team import Team, of

PACKAGE = "src/flight_delays"


def edit(project: BakedProject, path: str, old: str, new: str) -> None:
    """Replace a text that stands in a file once."""
    text = project.read(path)
    assert text.count(old) == 1, (path, old)
    project.write(path, text.replace(old, new))


@dataclass(frozen=True)
class Judged:
    """A pull request as it was when its run had ended."""

    pull: Pull
    run: Run
    comment: str
    gate: str
    """The check `model gate` of its newest commit."""

    @classmethod
    def of(cls, pull: Pull, runs: list[Run]) -> "Judged":
        own = of([run for run in runs if run.trigger.pull is pull], "model")
        comment = pull.comments[-1].body if pull.comments else ""
        return cls(pull, own, comment, pull.checks()["model gate"])

    @property
    def trained(self) -> bool:
        return self.run.jobs["train"] == "success"


def propose(team: Team, branch: str, change: Callable[[BakedProject], None]) -> Pull:
    """Open a pull request with a change of `main`, whose data lie in place."""
    team.start(branch)
    team.laptop.run(".venv/bin/dvc", "checkout", "-q", "--force")
    change(team.laptop)
    team.push(branch)
    return team.open(branch)
