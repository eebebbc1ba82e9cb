"""A team whose pull requests cost little: of its workflows only `model.yml` is left, unchanged."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from baking import BakedProject, Oven
from rig import GitHub, Pull, Run
from team import Team, commit, of, set_params

PACKAGE = "src/flight_delays"
CHECK = ".github/actions/check/action.yml"
SMALL = {
    "max_iter": "40",
    "early_stopping": "false\n    max_features: 0.5",  # so that a seed makes a difference
    "importance_rows": "200",
    "latency_ms": "null",  # a busy machine is slow; how much slower than the base still counts
    "latency_times": "6",
}


def lean(hub: GitHub, oven: Oven, folder: Path) -> Team:
    """A team with a model on `main` that takes a second, and checks that take none."""
    hub.settings["required_checks"] = ["model gate"]
    with_uv(hub, folder)
    team = Team.create(hub, oven, folder)
    laptop = team.laptop
    shutil.rmtree(laptop.path / "tests")
    for workflow in ("ci.yml", "track.yml"):
        (laptop.path / ".github/workflows" / workflow).unlink()
    check = yaml.safe_load(laptop.read(CHECK))
    check["runs"]["steps"] = [step for step in check["runs"]["steps"] if "stored" in step["run"]]
    laptop.write(CHECK, yaml.safe_dump(check, sort_keys=False))
    edit(laptop, "Makefile", "pipeline data dev)", "pipeline data)")
    set_params(laptop, **SMALL)
    laptop.make("setup", "repro")
    commit(laptop, "The first model")
    laptop.make("push")
    laptop.run("git", "push", "-q", "origin", "main")
    assert hub.run() == []
    return team


def with_uv(hub: GitHub, folder: Path) -> None:
    """Runners that have uv make an environment in a second."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    hub.environment["PATH"] = f"{tools}{os.pathsep}{hub.environment['PATH']}"


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
