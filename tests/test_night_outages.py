"""A night that dies wherever it can: the store, the disk, a killed job, two nights at once.

The tests of this file are one story, told in their order. Each night, or each further attempt of
its training, dies one step later than the one before; in the end there is one pull request.
"""

import json
import shutil
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from baking import Oven
from judged import edit
from nights import Night, change_main, issues, night, proposals, texts
from outages import TRAIN, full_disk, is_whole, kept, unreachable
from prepared import generated, push_first_model
from rig import GitHub, Run
from rig.account import ACTIONS_BOT, Token, new_token
from team import Team, head, said

pytestmark = pytest.mark.slow

DISPATCH = "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches"
RUNS = "GET /repos/{owner}/{repo}/actions/runs"
ISSUES = "POST /repos/{owner}/{repo}/issues"
STATUSES = "GET /repos/{owner}/{repo}/commits/{ref}/statuses"
MERGED = "GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls"
COMMENTS = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
NEWEST = "    return min(end, LAST)\n"
AT_ONCE = """
import sys
from flight_delays.gitops import __main__, github
github.PAUSES = (0, 0)
sys.exit(__main__.main())
"""
ROWS = '.filter(pl.col("date") <= options.until,'


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A model of four months, and a source whose clock is past its data: they end with May."""
    team = generated(hub, oven, tmp_path_factory.mktemp("laptop"))
    source = "src/flight_delays/ingest.py"
    edit(team.laptop, source, NEWEST, "    return max(end, date(2013, 8, 31))\n")
    edit(team.laptop, source, ROWS, ROWS.replace("options.until", "min(options.until, MAY)"))
    edit(team.laptop, source, "LAST = date(2013, 12, 31)\n", "MAY = date(2013, 5, 31)\n")
    push_first_model(team)
    hub.settings["actions_may_open_pull_requests"] = True
    assert hub.run() == []
    return team


@pytest.fixture(autouse=True)
def no_fault_is_left(hub: GitHub) -> Iterator[None]:
    """The next test must not meet the fault of this one."""
    yield
    hub.faults.clear()
    hub.engine.gate.waiting.clear()


def died(team: Team, run: Run, job: str, *words: str) -> None:
    """The job failed, the one issue says why at its end, and nothing is proposed."""
    assert run.jobs[job] == "failure" and run.conclusion == "failure", said(run)
    assert "Traceback" not in run.log
    (issue,) = issues(team)
    last = texts(issue)[-1]
    assert [word for word in words if word not in last] == [], last
    assert issue.state == "open" and f"/runs/{run.id})" in last
    assert proposals(team) == []


def started(found: Night) -> Run:
    assert found.model, said(found.look)
    return found.model


def again(team: Team, run: Run) -> Run:
    """Somebody runs it once more."""
    run = team.hub.rerun(run)
    team.hub.run()
    return run


# The job that starts it, on its own


def start(team: Team, token: str, check: bool = True) -> str:
    """What the job types, from the laptop's checkout of `main`; what it said on stderr."""
    job = {
        "GITHUB_API_URL": team.hub.api_url,
        "GITHUB_SERVER_URL": f"https://{team.hub.host}",
        "GITHUB_REPOSITORY": team.hub.name,
        "GITHUB_RUN_ID": "41",
        "GITHUB_TOKEN": token,
    }
    command = (".venv/bin/python", "-c", AT_ONCE, "start", "night", head(team.laptop))
    done = team.laptop.run(*command, check=False, env=job)
    assert done.returncode == (0 if check else 1), done.stdout + done.stderr
    return done.stderr


@pytest.fixture
def token(team: Team) -> Iterator[str]:
    """A token of the job `start`; what it made is gone afterwards, and so is the night's find."""
    hub, before = team.hub, list(team.hub.runs)
    granted = {"actions": "write", "contents": "write", "issues": "write"}
    granted |= {"pull-requests": "read", "statuses": "read"}
    hub.tokens[token := new_token("ghs")] = Token(ACTIONS_BOT, scopes=granted)
    facts = {"until": "2013-05-31", "reasons": ["2,000 rows are new"]}
    team.laptop.write("night/files/reports/night.json", json.dumps(facts))
    team.laptop.write("night/files/params.yaml", team.laptop.read("params.yaml"))
    yield token
    shutil.rmtree(team.laptop.path / "night")
    hub.runs[:] = before
    hub.issues.clear()
    if "refs/heads/retrain" in hub.git.refs():
        hub.git.delete("refs/heads/retrain")


def trainings(hub: GitHub) -> list[str]:
    """The commits of `retrain` whose run of `model` waits."""
    queued = [run for run in hub.runs if run.status == "queued"]
    return [run.head_sha for run in queued if run.trigger.head_branch == "retrain"]


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        (RUNS, {"status": 403}),
        ("git-receive-pack", {"status": 503}),
        (DISPATCH, {"status": 422}),
        (DISPATCH, {"status": 429, "times": 3}),
        (DISPATCH, {"cut": True, "times": 3}),
    ],
    ids=str,
)
def test_what_cannot_be_started_is_started_by_the_next_attempt(
    team: Team, token: str, kind: str, how: dict[str, Any]
) -> None:
    team.hub.fault(kind, **how)
    sentence = start(team, token, check=False)
    assert sentence.startswith("start: ") and sentence.count("\n") == 1
    assert trainings(team.hub) == []
    start(team, token)
    assert trainings(team.hub) == [team.hub.git.tip("retrain")]


@pytest.mark.parametrize("kind", [STATUSES, ISSUES])
def test_what_died_cannot_be_started_again_at_once(team: Team, token: str, kind: str) -> None:
    """The night's commit is on the branch already, and its run is gone."""
    start(team, token)
    team.hub.runs.pop()
    team.hub.fault(kind, status=500, times=3)
    assert "with 500" in start(team, token, check=False)
    assert trainings(team.hub) == []
    start(team, token)
    assert trainings(team.hub) == [team.hub.git.tip("retrain")] and len(issues(team)) == 1


def test_a_branch_of_which_github_does_not_tell_is_left_alone(team: Team, token: str) -> None:
    """Whether it was merged is not known, so it is not overwritten."""
    main = str(team.hub.git.tip("main"))
    other = team.hub.git.git("commit-tree", f"{main}^{{tree}}", "-p", main, "-m", "Another's")
    team.hub.git.set("refs/heads/retrain", other)
    team.hub.fault(MERGED, status=500, times=3)
    assert "with 500" in start(team, token, check=False)
    assert team.hub.git.tip("retrain") == other and trainings(team.hub) == []


def test_a_dispatch_whose_answer_is_lost_trains_once(team: Team, token: str) -> None:
    fault = team.hub.fault(DISPATCH, lost=True)
    start(team, token)
    assert trainings(team.hub) == [team.hub.git.tip("retrain")] and fault.seen == 1


# It looks


def test_the_store_cannot_be_reached_before(team: Team) -> None:
    unreachable(team.hub, "retrain.yml", "look", "make look")
    died(team, night(team).look, "look", "the store cannot be reached", "503", "nothing is lost")


def test_the_disk_is_full_while_it_looks(team: Team) -> None:
    full_disk(team.hub, "retrain.yml", "look", "make look", ".dvc/tmp/held")
    died(team, night(team).look, "look", "the disk is full", "make room")


def test_it_is_killed_while_it_looks(team: Team) -> None:
    team.hub.during("retrain.yml", "look", "make look", lambda: team.hub.kill("look"))
    died(team, night(team).look, "look", "It left no sentence behind")
    assert team.hub.git.tip("retrain") is None


# It starts the training, which trains


def test_it_is_killed_between_the_branch_and_its_run(team: Team) -> None:
    team.hub.fault(DISPATCH, do=lambda: team.hub.kill("start"), cut=True)
    found = night(team)
    died(team, found.look, "start", "could not start its training", "nothing is done twice")
    assert found.model is None and team.hub.git.tip("retrain")


@pytest.fixture(scope="module")
def training(team: Team) -> Run:
    """The run that the next night starts; its job `train` is killed."""
    team.hub.during("model.yml", "train", TRAIN, lambda: team.hub.kill("train"))
    return started(night(team))


def test_the_next_night_starts_it_again_and_it_is_killed_while_it_trains(
    team: Team, training: Run
) -> None:
    died(team, training, "train", "training failed", "It left no sentence behind")
    assert "was started again" in texts(issues(team)[0])[-2]


def test_the_disk_is_full_where_it_trains(team: Team, training: Run) -> None:
    full_disk(team.hub, "model.yml", "train", TRAIN, ".dvc/tmp/held")
    died(team, again(team, training), "train", "the disk is full", "make room")


def test_the_store_cannot_be_reached_while_it_trains(team: Team, training: Run) -> None:
    unreachable(team.hub, "model.yml", "train", TRAIN)
    died(team, again(team, training), "train", "the store cannot be reached", "503")


def test_the_store_cannot_be_reached_after(team: Team, training: Run) -> None:
    """Nothing is in the store, so nothing is committed."""
    tip, store = team.hub.git.tip("retrain"), kept(team.hub)
    unreachable(team.hub, "model.yml", "publish", "publish", "git-receive-pack")
    died(team, again(team, training), "publish", "could not be published", "503")
    assert (team.hub.git.tip("retrain"), kept(team.hub)) == (tip, store)


# It proposes


def test_it_is_killed_between_the_pull_request_and_its_report(team: Team) -> None:
    """Nobody can merge it."""
    tip = team.hub.git.tip("retrain")
    die = partial(team.hub.fault, COMMENTS, do=lambda: team.hub.kill("report"), cut=True)
    team.hub.during("model.yml", "report", "comment", die)
    run = started(night(team))
    assert run.jobs["publish"] == "success" and run.jobs["report"] == "failure", said(run)
    assert team.hub.git.git("rev-parse", "retrain^") == tip
    (pull,) = proposals(team)
    assert pull.comments == [] and pull.refusal() is not None


def test_two_nights_at_once_end_what_died(team: Team) -> None:
    """The model that is there is reported, and no other is trained: the schedule may fire twice,
    which is no failure."""
    before, tip = len(team.hub.runs), team.hub.git.tip("retrain")
    team.hub.schedule("retrain.yml")
    found = night(team, at_once=2)
    runs = [run for run in team.hub.runs[before:] if not run.waiting]
    assert sorted(run.workflow for run in runs) == ["model", "retrain", "retrain"]
    for run in runs:
        assert run.conclusion == "success", said(run)
    assert started(found).jobs["train"] == "skipped"
    (pull,), last = proposals(team), texts(issues(team)[-1])
    assert pull.head_sha == tip and len(pull.comments) == 1 and pull.refusal() is None
    assert {issue.state for issue in issues(team)} == {"closed"}
    assert "was started again" in last[0] and last[-1].startswith("A good night")
    assert len(last) == 2
    is_whole(team.hub, "retrain")


def test_a_date_past_the_data_is_not_declared(team: Team) -> None:
    """Else no row that comes later would be new, and the weeks that are held out were empty."""
    (pull,) = proposals(team)
    assert pull.title == "Retrain on data until 2013-05-31"
    assert 'until: "2013-05-31"' in team.hub.git.git("show", "retrain:params.yaml")
    looked = [run for run in team.hub.runs if run.workflow == "retrain"][-1]
    said = "The newest row is of 2013-05-31, so the data reach 2013-05-31, not 2013-08-31"
    assert said in looked.log  # an annotation, where DVC draws no progress on a terminal before it


def test_a_night_after_main_moved_brings_the_open_pull_request_up_to_date(team: Team) -> None:
    """It is trained on the new `main`, and none is opened beside it."""
    (before,) = proposals(team)
    main = change_main(team, examples="4")
    run = started(night(team))
    assert run.jobs["train"] == "success" and run.conclusion == "success", said(run)
    (pull,) = proposals(team)
    assert pull is before and len(pull.comments) == 1 and pull.refusal() is None
    assert team.hub.git.git("rev-parse", "retrain^^") == main
    is_whole(team.hub, "retrain")
