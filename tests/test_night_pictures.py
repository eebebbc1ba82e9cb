"""What Evidently draws of a night for people: an artifact, for which nothing else waits.

The tests of this file are one story, told in their order.
"""

import pytest

from baking import Oven
from judged import edit
from nights import issues, night
from prepared import DRAWING, NO_DRAWING, prepared
from rig import GitHub, Run
from team import Team, said

pytestmark = pytest.mark.slow

COLUMNS = ("departure", "carrier", "dest", "dewp", "late")
HOSTILE = "<img src=x onerror=alert(1)></script>"


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with a model of four months on `main`, which looks at pictures."""
    team = prepared(hub, oven, tmp_path_factory.mktemp("laptop"))
    hub.settings["actions_may_open_pull_requests"] = True
    team.start("main")
    edit(team.laptop, "Makefile", NO_DRAWING, DRAWING)
    team.push("Draw what drifts")
    assert hub.run() == []
    return team


def drawn(team: Team, run: Run) -> str:
    """The page in the artifact."""
    file = team.hub.folder / "artifacts" / str(run.id) / "drift/drift.html"
    return file.read_text(encoding="utf-8")


def test_a_night_in_which_columns_changed_is_drawn(team: Team) -> None:
    """Every tested column, beside the training that starts; the page of the run says where."""
    run = night(team, "2013-05-31").look
    done = dict.fromkeys(("look", "draw", "start", "tell"), "success")
    assert run.jobs == done, said(run)
    assert "columns changed" in run.summary["look"]
    assert "the artifact **drift**" in run.summary["draw"]
    page = drawn(team, run)
    assert page.lstrip().startswith("<html") or "<!doctype html>" in page[:200].lower()
    assert [name for name in COLUMNS if name not in page] == []
    assert "flight_id" not in page


def test_a_drawing_that_dies_is_red_and_stops_nothing(team: Team) -> None:
    """Nobody needs it: the night ends as it would, and no issue says that it failed."""
    team.hub.during("retrain", "draw", "make draw", lambda: team.hub.kill("draw"))
    run = night(team, "2013-05-31").look
    done = {"look": "success", "draw": "failure", "start": "success", "tell": "success"}
    assert run.jobs == done, said(run)
    assert issues(team) == []


def test_a_night_in_which_none_changed_is_not_drawn(team: Team) -> None:
    """Nor is one without a newer row."""
    run = night(team, "2013-04-30").look
    assert run.jobs["draw"] == "skipped" and run.conclusion == "success", said(run)


def test_hostile_names_are_words_in_the_picture(team: Team) -> None:
    """Of columns and of categories."""
    team.laptop.make(".venv-drift/.synced")
    script = "import polars as pl; names = [f'{i}' for i in range(3)] * 20; "
    script += (
        f"pl.DataFrame({{'{HOSTILE}': names, 'x': ['{HOSTILE}'] * 60}}).write_parquet('t.parquet')"
    )
    team.laptop.run(".venv/bin/python", "-c", script)
    command = (".venv-drift/bin/python", "-m", "flight_delays", "drift-html")
    team.laptop.run(*command, "t.parquet", "t.parquet", "--out", "t.html")
    page = (team.laptop.path / "t.html").read_text(encoding="utf-8")
    assert "onerror=alert" not in page and "_img src_x onerror_alert_1_" in page


def test_every_granted_permission_is_used(team: Team) -> None:
    unused = {use for use in team.hub.unused_permissions() if use[:2] == ("retrain", "draw")}
    assert unused == set()
