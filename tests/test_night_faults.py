"""Nights that go wrong: nothing is doubled, nothing is lost, and one issue says why.

The tests of this file are one story, told in their order.
"""

import pytest

from baking import Oven
from nights import change_main, issues, night, proposals, texts
from outages import TRAIN
from prepared import prepared
from rig import GitHub, Run
from team import Team, said

pytestmark = pytest.mark.slow

DISPATCH = "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches"
ISSUES = "POST /repos/{owner}/{repo}/issues"


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with a model of four months on `main`."""
    team = prepared(hub, oven, tmp_path_factory.mktemp("laptop"))
    hub.settings["actions_may_open_pull_requests"] = True
    assert hub.run() == []
    return team


def test_a_night_that_cannot_start_its_training_is_told(team: Team) -> None:
    """The branch is pushed, GitHub fails: red, an issue, and no pull request."""
    team.hub.fault(DISPATCH, status=500, times=3)
    found = night(team)
    assert found.look.jobs["start"] == "failure" and found.model is None, said(found.look)
    (issue,) = issues(team)
    assert "could not start its training" in issue.body and "500" in issue.body
    assert team.hub.git.tip("retrain") and not proposals(team)


def test_while_a_training_runs_a_night_starts_no_other(team: Team) -> None:
    """The same data: what died is started again; the next night that comes while it runs leaves
    it alone, and says so."""
    runs: list[Run] = []

    def the_next_night() -> None:
        team.hub.runs[-1].created_at = "2013-05-01T02:00:00Z"
        team.hub.schedule("retrain.yml")
        runs.extend(team.hub.run())

    team.hub.during("model", "train", TRAIN, the_next_night)
    team.hub.schedule("retrain.yml")
    runs += team.hub.run()
    (model,) = [run for run in runs if run.workflow == "model" and not run.waiting]
    assert model.conclusion == "success", said(model)
    (issue,) = issues(team)
    assert [text for text in texts(issue) if "started again" in text], texts(issue)
    assert [text for text in texts(issue) if "still waits or runs" in text], texts(issue)


def test_what_was_tried_is_not_tried_again(team: Team) -> None:
    """As long as neither the data nor `main` have changed."""
    found = night(team)
    assert found.look.conclusion == "success" and found.model is None, said(found.look)
    assert "These data were tried on this commit of main" in found.look.log


def test_a_persons_commits_on_the_branch_are_left_alone(team: Team) -> None:
    """Though `main` has moved on; whoever wants the next data merges or deletes the branch."""
    change_main(team, examples="4")
    team.laptop.run("git", "fetch", "-q", "origin", "retrain")
    team.laptop.run("git", "checkout", "-q", "-B", "retrain", "FETCH_HEAD")
    team.laptop.write("note.txt", "mine\n")
    mine = team.push("A note")
    team.hub.run()
    found = night(team)
    assert found.look.conclusion == "success" and found.model is None, said(found.look)
    assert "leaves it alone" in found.look.log and team.hub.git.tip("retrain") == mine


def test_a_model_that_the_gate_blocks_is_in_the_issue_and_in_no_pull_request(team: Team) -> None:
    team.hub.git.git("update-ref", "-d", "refs/heads/retrain")
    for pull in proposals(team):
        pull.close(team.person)
    change_main(team, floors="{roc_auc: 0.99}")
    team.hub.run()
    found = night(team, event="drift", force="the vendor changed a sensor")
    assert "it was asked for: the vendor changed a sensor" in found.summary
    assert found.model and found.model.conclusion == "failure", said(found.look)
    assert not proposals(team)
    told = texts([issue for issue in issues(team) if issue.state == "open"][-1])
    assert "### ⛔" in told[-1] and "at least 0.99" in told[-1]


def test_an_api_that_refuses_the_issue_leaves_a_red_job(team: Team) -> None:
    """What it cannot say there stands in the job's log, with GitHub's own words."""
    for issue in issues(team):
        team.hub.set_state(issue, "closed", team.hub.tokens[team.person.token])
    team.hub.fault(ISSUES, status=403)
    found = night(team, until="2013-01-01")
    assert found.look.jobs["look"] == found.look.jobs["tell"] == "failure"
    assert "main's data reach 2013-04-30 already" in found.look.log
    assert "GitHub answered POST /issues with 403" in found.look.log


def test_another_night_tells_it(team: Team) -> None:
    found = night(team, event="new-data", until="tomorrow")
    assert found.look.jobs["look"] == "failure" and found.look.jobs["tell"] == "success"
    (issue,) = [issue for issue in issues(team) if issue.state == "open"]
    assert "a date looks like 2013-07-31" in issue.body
