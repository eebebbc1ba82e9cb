"""What is served is watched, through the executed workflow: a calm day, an alarm, its night.

The tests of this file are one story, told in their order.
"""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from baking import Oven
from nights import proposals
from prepared import prepared
from rig import GitHub, Run
from team import Team, of, said

pytestmark = pytest.mark.slow

DISPATCH = "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches"
LOG = "refs/monitor/log"


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with a model of four months, on `main` and in production as v1."""
    team = prepared(hub, oven, tmp_path_factory.mktemp("laptop"))
    hub.settings["actions_may_open_pull_requests"] = True
    assert hub.run() == []
    hub.git.git("update-ref", "refs/heads/release", str(hub.git.tip("main")))
    return team


def serve(team: Team, spoiled: bool = False) -> None:
    """Score the last week of April, as a batch, and bring the log to the store; none of these
    flights was trained on."""
    rows = pl.read_parquet(team.laptop.path / "data/holdout/2013-04.parquet")
    rows = rows.filter(pl.col("date") > date(2013, 4, 16)).drop("late")
    if spoiled:
        rows = rows.with_columns(pl.lit(None, pl.Float64).alias("humid"))
    file = team.laptop.path.parent / "rows.parquet"
    rows.write_parquet(file)
    team.laptop.make("predict", INPUT=file, OUTPUT=file.with_name("scores.parquet"))
    team.laptop.make("log")


def forget(team: Team) -> None:
    """What was logged so far is gone, here and on GitHub."""
    for file in Path(team.laptop.path / "predictions").glob("*"):
        file.unlink()
    team.hub.git.git("update-ref", "-d", LOG)


def day(team: Team) -> list[Run]:
    """The schedule's time comes."""
    team.hub.schedule("monitor.yml")
    return [run for run in team.hub.run() if not run.waiting]


def test_where_nothing_was_served_a_sentence_says_how_to_begin(team: Team) -> None:
    (run,) = day(team)
    assert run.conclusion == "success", said(run)
    assert "Nothing was served" in run.summary["look"] and "`make log`" in run.summary["look"]


def test_a_calm_day_starts_nothing(team: Team) -> None:
    serve(team)
    (run,) = day(team)
    assert run.conclusion == "success", said(run)
    assert run.summary["look"].startswith("### ✅"), run.summary["look"]
    assert "ROC AUC" in run.summary["look"] and "as promised" in run.summary["look"]


def test_an_api_that_refuses_the_night_leaves_a_red_job(team: Team) -> None:
    """With GitHub's own words."""
    forget(team)
    serve(team, spoiled=True)
    team.hub.fault(DISPATCH, status=403)
    (run,) = day(team)
    assert run.jobs == {"look": "success", "alarm": "failure"}, said(run)
    assert "GitHub answered POST /actions/workflows/retrain.yml/dispatches with 403" in run.log


def test_an_alarm_asks_for_a_night_with_its_reason(team: Team) -> None:
    """In the summary, in the night's, in the commit and in the pull request."""
    runs = day(team)
    watched, night, model = (of(runs, name) for name in ("monitor", "retrain", "model"))
    assert watched.conclusion == "success", said(watched)
    assert watched.summary["look"].startswith("### 🚨") and "humid" in watched.summary["look"]
    assert "it was asked for" in night.summary["look"] and "humid" in night.summary["look"]
    assert model.conclusion == "success", said(model)
    (pull,) = proposals(team)
    assert "monitoring of v1" in pull.body and "humid" in pull.body
    assert "humid" in team.hub.git.git("log", "-2", "--format=%B", "retrain")


def test_the_same_alarm_starts_no_other_while_a_proposal_waits(team: Team) -> None:
    (run,) = day(team)
    (pull,) = proposals(team)
    assert run.conclusion == "success" and f"#{pull.number} waits for a decision" in run.log


def test_what_an_alarm_tried_is_not_tried_again(team: Team) -> None:
    """Nobody wants the proposal: the night that comes of the next alarm, whose numbers are others,
    knows these data on this commit of `main`."""
    (pull,) = proposals(team)
    pull.close(team.person)
    serve(team, spoiled=True)
    runs = day(team)
    assert {run.workflow for run in runs} == {"monitor", "retrain"}
    assert "These data were tried on this commit of main" in of(runs, "retrain").log
    assert not proposals(team)


def test_a_file_of_the_log_that_is_none_is_told_in_a_sentence(team: Team) -> None:
    """Red, because people have to look; the rest is judged."""
    forget(team)
    serve(team)
    (file,) = Path(team.laptop.path / "predictions").glob("*.parquet")
    file.with_name("29990101T000000.000000Z-00000000.parquet").write_bytes(b"PAR1 @you <b>")
    team.laptop.make("log")
    (run,) = day(team)
    assert run.jobs == {"look": "success", "alarm": "failure"}, said(run)
    assert "1 files of the log cannot be read" in run.log and "Traceback" not in run.log


def test_a_granted_permission_is_used(team: Team) -> None:
    assert {use for use in team.hub.unused_permissions() if use[0] == "monitor"} == set()
