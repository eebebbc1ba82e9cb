"""A year of nights on the real data, each through the executed workflows.

The tests of this file are one story, told in their order: the year begins at 31 January, with a
new repository that has no model.
"""

import re
from dataclasses import dataclass, field

import pytest

from baking import Oven
from judged import edit
from nights import Night, issues, merge, night, proposals, texts
from options import REPOSITORY
from prepared import generated
from rig import GitHub
from team import Team, said

pytestmark = pytest.mark.slow

SMALL = {
    "until": '"2013-01-31"',
    "holdout_weeks": "8",
    "max_iter": "60",
    "importance_rows": "200",
}
TARGET = '            (pl.col("arr_delay") > options.late_minutes).alias("late"),\n'
PLANTED = f"""{TARGET}            pl.when(options.until == date(2013, 9, 30), pl.col("month") == 9)
            .then(-1)
            .otherwise("distance")
            .cast(pl.Int32)
            .alias("distance"),
"""
"""September's batch arrives broken, and whole again together with October's."""

CACHE = REPOSITORY / ".cache"
SETTING = "Allow GitHub Actions to create and approve pull requests"


HEAD = ("data until", "new rows", "drift", "decision", "outcome", "seconds")


@dataclass
class Year:
    """What came of each night, as a table."""

    rows: list[tuple[str, ...]] = field(default_factory=list)

    def note(self, found: Night, until: str, outcome: str) -> None:
        told = found.summary.replace("\N{NO-BREAK SPACE}", " ")
        parts = {
            "rows": r"(?m)^\| new rows \| (.+) \|$",
            "drift": r"(?m)^#### \S+ Drift: (.+?),? none of them.*$|^#### \S+ Drift: (.+)$",
            "because": r"Because (.+?)\.\n",
        }
        cells = {name: re.search(pattern, told) for name, pattern in parts.items()}
        shown = {
            name: next(filter(None, cell.groups())) if cell else "" for name, cell in cells.items()
        }
        self.rows.append(
            (
                until,
                shown["rows"],
                shown["drift"],
                shown["because"],
                outcome,
                f"{found.seconds:.0f}",
            )
        )

    def table(self) -> str:
        lines = [HEAD, ("---",) * len(HEAD), *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


@pytest.fixture(scope="module")
def year() -> Year:
    return Year()


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A new repository: nothing is trained, nothing is set."""
    team = generated(hub, oven, tmp_path_factory.mktemp("laptop"), **SMALL)
    edit(team.laptop, "src/flight_delays/ingest.py", TARGET, PLANTED)
    team.push("Generated")
    assert hub.run() == []
    return team


def test_a_month_is_too_little(team: Team, year: Year) -> None:
    """It says so, and that is no failure."""
    found = night(team)
    assert found.look.conclusion == "success", said(found.look)
    assert "3 days are left to train on" in found.summary and "2013-02-28" in found.summary
    assert found.model is None and found.look.jobs["start"] == "skipped"
    assert not proposals(team) and not issues(team)
    year.note(found, "2013-02-28", "waits")


def test_without_the_setting_the_branch_is_there_and_the_issue_has_the_link(
    team: Team, year: Year
) -> None:
    """The first model of a new repository, with no laptop: one dispatch."""
    found = night(team, "2013-03-31")
    assert found.look.conclusion == "success", said(found.look)
    assert found.model and found.model.jobs["train"] == "success", said(found.look)
    assert found.model.jobs["report"] == "failure"
    (issue,) = issues(team)
    assert SETTING in issue.body and "/compare/main...retrain" in issue.body
    assert not proposals(team)
    year.note(found, "2013-03-31", "first; Actions may not open pull requests yet: an issue")


def test_with_it_the_next_night_opens_the_pull_request_and_trains_nothing(
    team: Team, year: Year
) -> None:
    """Its checks are green though GitHub lets its own runs wait; merged, `main` has a model."""
    team.hub.settings["actions_may_open_pull_requests"] = True
    found = night(team, "2013-03-31")
    assert found.model and found.model.conclusion == "success", said(found.look)
    assert found.model.jobs["train"] == "skipped"
    (pull,) = proposals(team)
    assert pull.title == "Retrain on data until 2013-03-31"
    assert "main has no model yet" in pull.body
    assert pull.comments[0].body.startswith("### 🆕")
    assert pull.checks() == {"ci": "success", "model gate": "success", "retrain": "success"}
    assert [issue.state for issue in issues(team)] == ["closed"]
    year.note(found, "2013-03-31", f"first: #{merge(team).number}, merged")


@pytest.mark.parametrize("month", ["04-30", "05-31", "06-30", "07-31"])
def test_a_night_brings_the_next_month_and_a_better_model(
    team: Team, year: Year, month: str
) -> None:
    found = night(team)
    assert found.model and found.model.conclusion == "success", said(found.model or found.look)
    (pull,) = proposals(team)
    assert pull.title == f"Retrain on data until 2013-{month}" and len(pull.comments) == 1
    assert pull.comments[0].body.startswith("### ✅ Better"), pull.comments[0].body
    assert "rows are new" in pull.body
    for kind in ("Inputs", "Target", "Predictions", "Errors of the predictions", "Quality"):
        assert f"\n- {kind}: " in found.summary, kind
    year.note(found, f"2013-{month}", f"better: #{merge(team).number}, merged")


def test_an_equal_model_is_proposed_to_nobody(team: Team, year: Year) -> None:
    found = night(team)
    assert found.model and found.model.conclusion == "success", said(found.model or found.look)
    assert "compare: equal" in found.model.log
    assert not proposals(team) and issues(team)[-1].state == "closed"
    year.note(found, "2013-08-31", "equal: no pull request")


def test_data_that_break_their_contract_train_nothing(team: Team, year: Year) -> None:
    """The issue has the failing table, and `main` keeps its model."""
    main = team.hub.git.tip("main")
    found = night(team, "2013-09-30")
    assert found.look.jobs["look"] == "failure" and found.model is None, said(found.look)
    (issue,) = [issue for issue in issues(team) if issue.state == "open"]
    assert "the data breaks its contract" in issue.body and "`distance`" in issue.body
    assert team.hub.git.tip("main") == main and not proposals(team)
    year.note(found, "2013-09-30", "contract broken: an issue")


@pytest.mark.parametrize("until", ["2013-10-31", "2013-11-30", "2013-12-31"])
def test_the_next_good_batch_mends_it(team: Team, year: Year, until: str) -> None:
    """And the model of July stays as good as newer ones."""
    found = night(team, until)
    assert found.model and found.model.conclusion == "success", said(found.model or found.look)
    assert "compare: equal" in found.model.log and not proposals(team)
    assert [issue.state for issue in issues(team)] == ["closed", "closed"]
    assert texts(issues(team)[-1])[-1].startswith("A good night")
    year.note(found, until, "equal: no pull request")


def test_without_new_data_nothing_is_trained(team: Team, year: Year) -> None:
    found = night(team, "2013-07-31")
    assert found.look.conclusion == "success" and found.model is None, said(found.look)
    assert "there are no newer rows" in found.summary
    year.note(found, "2013-07-31", "waits")
    CACHE.mkdir(exist_ok=True)
    (CACHE / "nights.md").write_text(year.table(), encoding="utf-8")


def test_a_granted_permission_is_used(team: Team) -> None:
    """Reading labels and statuses is for what no night of this year met."""
    unused = {use for use in team.hub.unused_permissions() if use[0] == "retrain"}
    assert unused == set()
