"""Pull requests that propose another model, and what came of them."""

from collections.abc import Callable
from dataclasses import dataclass

from baking import BakedProject
from rig import Pull, Run
from team import Team, of, said

PACKAGE = "src/flight_delays"
Change = Callable[[BakedProject], None]


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


def propose(team: Team, branch: str, change: Change, base: str = "main") -> Pull:
    """Open a pull request with a change of `main`, whose data lie in place."""
    team.start(branch)
    team.laptop.run(".venv/bin/dvc", "checkout", "-q", "--force")
    change(team.laptop)
    team.push(branch)
    return team.open(branch, base=base)


class Mutants(dict[str, Change]):
    """Changes of a model by their names; each is proposed on a branch of its own."""

    def add(self, change: Change) -> Change:
        self[change.__name__] = change
        return change

    def judged(self, team: Team, base: str = "main") -> dict[str, Judged]:
        """Every one after its run."""
        pulls = {name: propose(team, name, change, base) for name, change in self.items()}
        runs = team.hub.run(at_once=2)
        return {name: Judged.of(pull, runs) for name, pull in pulls.items()}


def refused(found: Judged, *words: str) -> None:
    """The check is red, nobody can merge, and the comment says why."""
    assert found.gate == "failure", said(found.run)
    assert found.pull.refusal() == 'Required status check "model gate" is failing.'
    assert found.comment.startswith("### ⛔"), found.comment
    for word in words:
        assert word in found.comment, found.comment
