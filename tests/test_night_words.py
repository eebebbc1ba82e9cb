"""Nights on another table in executed workflows: what the summary and the issue say in whose words.

The tests of this file are one story, told in their order.
"""

from pathlib import Path

import polars as pl
import pytest

from baking import Oven
from drawn import commands, live
from nights import issues, night, proposals, texts
from parcels import day, deliver, hostile, of_parcels, parcels
from prepared import generated
from rig import GitHub
from team import Team, commit, said

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("source")


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team whose `main` has a model of 60 days of parcels."""
    team = generated(hub, oven, tmp_path_factory.mktemp("laptop"))
    of_parcels(team.laptop, str(source))
    deliver(source, parcels(0, 60), 59)
    commit(team.laptop, "Generated")
    team.laptop.make("repro")
    commit(team.laptop, "The first model")
    team.laptop.make("push")
    team.laptop.run("git", "push", "-q", "origin", "main")
    assert hub.run() == []
    return team


def test_labels_that_are_not_there_yet_make_no_red_night(team: Team, source: Path) -> None:
    """The week's inputs are judged, and nobody trains on them."""
    none = pl.lit(None, pl.Boolean)
    deliver(source, parcels(60, 7).with_columns(returned=none), 66)
    found = night(team)
    assert found.look.conclusion == "success" and found.model is None, said(found.look)
    assert "the 2,100 newer rows have no labels yet" in found.summary
    assert "none of 3 columns changed" in found.summary
    assert not issues(team) and not proposals(team)


def test_a_stranger_s_words_in_the_issue_do_nothing_but_show(team: Team, source: Path) -> None:
    """No mention, no tag, no command to the runner; `main` keeps its model, and nothing starts."""
    main = team.hub.git.tip("main")
    deliver(source, parcels(67, 7).with_columns(hub=hostile()), 73)
    found = night(team)
    assert found.look.jobs["look"] == "failure" and found.look.jobs["start"] == "skipped"
    (issue,) = issues(team)
    assert "the data breaks its contract" in issue.body and "`hub`" in issue.body
    assert not live(issue.body.rpartition("\n[The run]")[0]), issue.body
    lines = [line.partition("] ")[2] or line for line in found.look.log.splitlines()]
    assert not [line for line in commands("\n".join(lines)) if "set-output" in line or "x" in line]
    assert team.hub.git.tip("main") == main and found.model is None and not proposals(team)


def test_the_next_good_batch_mends_it(team: Team, source: Path) -> None:
    """With labels for none of last week's rows there is little to train on, and no drift."""
    (source / f"{day(73)}.parquet").unlink()
    deliver(source, parcels(67, 1).head(10), 67)
    found = night(team)
    assert found.look.conclusion == "success" and found.model is None, said(found.look)
    assert "10 rows are new" in found.summary
    (issue,) = issues(team)
    assert issue.state == "closed" and texts(issue)[-1].startswith("A good night")
