"""A team on machines that are prepared, for tests in which workflows run many times.

Its workflows are those of every project, byte for byte. What costs time and shows nothing there is
left out: the machines have the project's environment already, the job `check` asks for the store
alone, and the model learns from fewer rows.
"""

import os
import re
from pathlib import Path

from baking import BakedProject, Oven
from judged import edit
from rig import GitHub
from team import Team, commit, set_params

FUTURE = 4102444800  # 2100: make believes that the environment is newer than every checkout
SMALL = {
    "until": '"2013-04-30"',
    "holdout_weeks": "4",
    "max_iter": "20",
    "importance_rows": "200",
    "importance_repeats": "1",
    "margin": "0.05",
    "beat_linear": "null",
}
CHECK = """name: check
description: What every commit must pass

runs:
  using: composite
  steps:
    - run: make stored
      shell: bash
      env:
        GITHUB_TOKEN: ${{ github.token }}
"""

DRAWING = "draw: $(DRIFT)/.synced"
NO_DRAWING = """draw: # of a team that looks at no picture
\t@echo none > reports/drift.html

drawing: $(DRIFT)/.synced"""


def generated(hub: GitHub, oven: Oven, folder: Path, promotion: str = "", **values: str) -> Team:
    """A team whose laptop has a project without a model, and nothing on GitHub yet.

    Args:
        promotion: another section of params.yaml in place of that.
        values: numbers of params.yaml that are to be otherwise.
    """
    team = Team.create(hub, oven, folder)
    set_params(team.laptop, **SMALL | values)
    if promotion:
        text = team.laptop.read("params.yaml")
        text = re.sub(r"(?ms)^promotion:.*?\n(?=\n)", promotion, text)
        team.laptop.write("params.yaml", text)
    team.laptop.make("setup")
    share_environment(team.laptop, ".venv", folder / "environment")
    team.laptop.write(".github/actions/check/action.yml", CHECK)
    edit(team.laptop, "Makefile", DRAWING, NO_DRAWING)
    hub.disabled |= {"ci.yml", "track.yml", "pages.yml"}
    hub.settings["required_checks"] = ["model gate"]
    return team


def prepared(hub: GitHub, oven: Oven, folder: Path, promotion: str = "", **values: str) -> Team:
    """A team whose `main` has a model, with its objects in the store; see `generated`."""
    team = generated(hub, oven, folder, promotion, **values)
    push_first_model(team)
    return team


def push_first_model(team: Team) -> None:
    """Commit what the laptop has, then a model of it; its objects are in the store."""
    commit(team.laptop, "Generated")
    team.laptop.make("repro")
    commit(team.laptop, "The first model")
    team.laptop.make("push")
    team.laptop.run("git", "push", "-q", "origin", "main")


def share_environment(laptop: BakedProject, name: str, place: Path) -> None:
    """Every checkout uses one environment, with the package of the folder that it is called in."""
    (laptop.path / name).rename(place)
    (laptop.path / name).symlink_to(place)
    (marker,) = place.glob(".synced*")
    os.utime(marker, (FUTURE, FUTURE))
    (packages,) = place.glob("lib/*/site-packages")
    first = "import os, sys; sys.path.insert(0, os.path.join(os.getcwd(), 'src'))\n"
    (packages / "checkout.pth").write_text(first)
