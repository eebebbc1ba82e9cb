"""Promotion and rollback: pull requests to `release`, through the executed workflows.

The tests of this file are one story, told in their order.
"""

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from baking import Oven
from prepared import prepared
from rig import GitHub, Pull, Run
from team import Team, commit, head, of, said, set_params

pytestmark = pytest.mark.slow

SETTING = "Allow GitHub Actions to create and approve pull requests"
TRAINING = "Running stage"
SUCCESS = "success"


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with a model on `main`, and nothing in production yet."""
    team = prepared(hub, oven, tmp_path_factory.mktemp("laptop"))
    hub.disabled.add("release.yml")
    assert hub.run() == []
    return team


def dispatch(team: Team, **inputs: str) -> Run:
    """Somebody starts the workflow `promote`."""
    team.hub.dispatch("promote.yml", "main", inputs, by=team.person)
    return of(team.hub.run(), "promote")


def opened(team: Team) -> list[Pull]:
    """The open pull requests to `release`."""
    return [pull for pull in team.hub.pulls() if pull.base == "release" and pull.state == "open"]


def shipped(team: Team, pull: Pull) -> str:
    """Merge it, and say which tree is in production then."""
    assert pull.refusal() is None, pull.refusal()
    pull.merge(team.person)
    team.hub.run()
    return tree(team, "release")


def tree(team: Team, revision: str) -> str:
    return team.hub.git.git("rev-parse", f"{revision}^{{tree}}").strip()


def train_on_main(team: Team, **values: str) -> str:
    """Another model, trained on a laptop and pushed to `main`; the commit."""
    team.laptop.run("git", "fetch", "-q", "origin")
    team.laptop.run("git", "checkout", "-q", "-B", "main", "origin/main")
    set_params(team.laptop, **values)
    team.laptop.make("repro", "push")
    sha = commit(team.laptop, "Another model")
    team.laptop.run("git", "push", "-q", "origin", "main")
    team.hub.run()
    return sha


def test_a_refusal_to_open_names_the_setting(team: Team) -> None:
    """The branch is pushed, the job is red, and a person can open the pull request by a link."""
    run = dispatch(team)
    sha = head(team.laptop)
    assert run.conclusion == "failure" and run.jobs["open"] == "failure"
    assert SETTING in run.log and f"compare/release...promote/{sha[:7]}" in run.log
    assert opened(team) == []


def test_the_first_promotion_has_nothing_to_compare_with(team: Team) -> None:
    """Run again after the setting was switched on: a report, and the checks that rules ask for."""
    team.hub.settings["actions_may_open_pull_requests"] = True
    run = dispatch(team)
    assert run.conclusion == "success", said(run)
    (pull,) = opened(team)
    assert pull.head_sha == head(team.laptop)
    assert pull.comments[0].body.startswith("### 🆕 First champion")
    assert pull.checks() == {"ci": "success", "model gate": "success"}
    assert TRAINING not in run.log
    assert shipped(team, pull) == tree(team, "main")


def test_what_is_in_production_is_not_promoted_again(team: Team) -> None:
    run = dispatch(team)
    assert run.conclusion == "success" and run.jobs["open"] == "skipped", said(run)
    assert "in production already" in run.log and opened(team) == []


def test_a_laptop_promotes_by_ordinary_runs(team: Team) -> None:
    """The stricter gate judges against the champion, and nothing trains."""
    sha = train_on_main(team, max_iter="22")
    told = team.laptop.make("promote").stdout
    assert f"https://{team.hub.host}/" in told and f"/compare/release...promote/{sha[:7]}" in told
    assert "no token for" in told and opened(team) == []
    team.laptop.make("promote", env={"GITHUB_TOKEN": team.person.token})
    (pull,) = opened(team)
    model = of(team.hub.run(), "model")
    assert model.conclusion == "success" and TRAINING not in model.log, said(model)
    assert model.jobs["train"] == model.jobs["publish"] == "skipped"
    body = pull.comments[0].body
    assert "`release`" in body and "at most 50" in body and "<b>Model card</b>" in body
    assert shipped(team, pull) == tree(team, sha)


def test_a_newer_promotion_takes_the_place_of_an_open_one(team: Team) -> None:
    """Twice for one commit there is one pull request; for a newer one the old is closed."""
    first = train_on_main(team, max_iter="24")
    assert dispatch(team).conclusion == dispatch(team).conclusion == "success"
    (old,) = opened(team)
    assert old.head_sha == first and len(old.comments) == 1
    second = train_on_main(team, max_iter="26")
    assert dispatch(team).conclusion == "success"
    (new,) = opened(team)
    assert new.head_sha == second and old.state == "closed"
    assert shipped(team, new) == tree(team, second)


@pytest.mark.parametrize("times", [1, 2])
def test_a_rollback_brings_the_champion_before_back(team: Team, times: int) -> None:
    """Twice in a row: each goes one further back; nothing trains, and `main` stays where it is."""
    releases = team.hub.git.lines("rev-list", "--first-parent", "--reverse", "release")[1:4]
    run = dispatch(team, to="previous", reason="Complaints  from the gate agents")
    assert run.conclusion == "success" and TRAINING not in run.log, said(run)
    (pull,) = opened(team)
    assert pull.comments[0].body.startswith("### ↩️ Rollback"), pull.comments[0].body
    assert "Complaints from the gate agents" in pull.body
    assert pull.checks() == {"ci": "success", "model gate": "success"}
    assert shipped(team, pull) == tree(team, releases[2 - times])


def test_no_way_back_is_said(team: Team) -> None:
    run = dispatch(team, to="previous")
    assert run.conclusion == "failure" and "no way back" in run.log


def test_what_was_rolled_back_is_promoted_again(team: Team) -> None:
    """Git knows it as merged: the head is a commit with its tree, and both as parents."""
    run = dispatch(team)
    assert run.conclusion == "success", said(run)
    (pull,) = opened(team)
    parents = team.hub.git.git("show", "-s", "--format=%P", pull.head_sha).split()
    assert parents == [team.hub.git.tip("release"), team.hub.git.tip("main")]
    assert shipped(team, pull) == tree(team, "main")


def test_githubs_revert_is_a_rollback(team: Team) -> None:
    """The button makes the same as `git revert -m 1` on a branch."""
    laptop = team.laptop
    laptop.run("git", "fetch", "-q", "origin")
    laptop.run("git", "checkout", "-q", "--no-track", "-B", "revert-it", "origin/release")
    laptop.run("git", "revert", "-m", "1", "--no-edit", "HEAD")
    laptop.run("git", "push", "-q", "origin", "HEAD")
    pull = team.hub.open_pull("revert-it", team.person, base="release")
    model = of(team.hub.run(), "model")
    assert model.conclusion == "success" and TRAINING not in model.log, said(model)
    assert pull.comments[0].body.startswith("### ↩️ Rollback")
    pull.close(team.person)


def test_a_stale_lock_is_not_promoted(team: Team) -> None:
    """Nothing trains on the way to `release`: the report says where it is done."""
    laptop = team.laptop
    laptop.run("git", "checkout", "-q", "-B", "stale", "origin/main")
    set_params(laptop, max_iter="28")
    sha = team.push("Not trained")
    pull = team.hub.open_pull("stale", team.person, base="release")
    model = of(team.hub.run(), "model")
    assert model.conclusion == "failure" and model.jobs["train"] == "skipped"
    assert "train it on main, then promote that" in pull.comments[0].body
    assert pull.head_sha == sha and pull.checks()["model gate"] == "failure"
    pull.close(team.person)


def test_an_object_that_the_store_lacks_is_not_promoted(team: Team) -> None:
    """A forgotten push is red, with the command that mends it, and nothing is opened."""
    laptop = team.laptop
    laptop.run("git", "checkout", "-q", "-B", "main", "origin/main")
    set_params(laptop, max_iter="29")
    laptop.make("repro")
    commit(laptop, "A forgotten push")
    laptop.run("git", "push", "-q", "origin", "main")
    team.hub.run()
    run = dispatch(team)
    assert run.conclusion == "failure" and run.jobs["open"] == "skipped"
    assert "make push" in run.log and opened(team) == []
    laptop.make("push")


def test_a_workflow_that_changed_needs_a_laptop(team: Team) -> None:
    """GitHub refuses its token a new commit with workflows that no branch has."""
    laptop = team.laptop
    laptop.run("git", "checkout", "-q", "-B", "main", "origin/main")
    text = laptop.read(".github/workflows/track.yml")
    laptop.write(".github/workflows/track.yml", f"{text}# changed\n")
    commit(laptop, "Change a workflow")
    laptop.run("git", "push", "-q", "origin", "main")
    for branch in team.hub.git.lines("for-each-ref", "--format=%(refname)", "refs/heads"):
        if branch.removeprefix("refs/heads/") not in ("main", "release"):
            team.hub.git.git("update-ref", "-d", branch)
    team.hub.run()
    assert dispatch(team).conclusion == "success"
    (pull,) = opened(team)
    shipped(team, pull)
    run = dispatch(team, to="previous")
    assert run.conclusion == "failure" and "make rollback" in run.log and "laptop" in run.log
    told = laptop.make("rollback", REASON="The queue").stdout
    assert "compare/release...rollback/v" in told


# What a merge starts


def merged(team: Team, **inputs: str) -> Run:
    """Ship something and merge it; the run of `release`."""
    run = dispatch(team, **inputs)
    assert run.conclusion == "success", said(run)
    (pull,) = opened(team)
    pull.approve(team.hub.people.get("bob") or team.hub.person("bob"))
    pull.merge(team.person)
    return of(team.hub.run(), "release")


def test_a_merge_tags_and_publishes_the_model(team: Team) -> None:
    """The file that people download is the store's, byte for byte."""
    hub = team.hub
    hub.disabled.discard("release.yml")
    for pull in opened(team):
        pull.close(team.person)
    train_on_main(team, max_iter="30")
    run = merged(team)
    assert run.conclusion == "success", said(run)
    assert run.jobs == {
        "verify": SUCCESS,
        "reconcile": "skipped",
        "publish": SUCCESS,
        "attest": SUCCESS,
    }
    position = len(hub.git.lines("rev-list", "--first-parent", "release")) - 1
    (release,) = hub.releases
    assert release["tag_name"] == f"v{position}"
    assert hub.git.git("rev-parse", f"v{position}").strip() == hub.git.tip("release")
    model, sheet = (hub.assets[asset["id"]] for asset in release["assets"])
    assert hashlib.md5(model).hexdigest() in release["body"]
    assert model == (team.laptop.path / "models/model.skops").read_bytes()
    assert "## Model card" in release["body"] and "Rollback" not in release["body"]
    assert sheet.startswith(b"## Data sheet") and "Approved by `bob`" in release["body"]
    assert "the champion before |" in release["body"].split("## Model card")[0]
    assert len(hub.attestations) == 1


def test_a_release_that_is_run_again_changes_nothing(team: Team) -> None:
    hub = team.hub
    before = [dict(release) for release in hub.releases]
    hub.rerun(next(run for run in reversed(hub.runs) if run.workflow == "release"))
    assert of(hub.run(), "release").conclusion == "success"
    assert hub.releases == before


def test_an_upload_that_was_cut_off_is_made_again(team: Team, tmp_path: Path) -> None:
    """The release says why the model came back, MLflow's alias follows it, and a job that died in
    the middle ends the same."""
    hub, registry = team.hub, tmp_path / "mlflow.db"
    hub.variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{registry}"
    hub.secrets["MLFLOW_TRACKING_TOKEN"] = "a-token-that-no-file-asks-for"
    place = "POST /repos/{owner}/{repo}/releases/{release_id}/assets"
    hub.fault(place, status=502, times=3)
    run = merged(team, to="previous", reason="Too many @alerts")
    assert run.conclusion == "failure" and run.jobs["publish"] == "failure"
    hub.rerun(run)
    assert of(hub.run(), "release").conclusion == "success"
    release = hub.releases[-1]
    assert "**Rollback**" in release["body"] and "Too many `@alerts`" in release["body"]
    assert len(release["assets"]) == 2 and len(hub.releases) == 2
    with sqlite3.connect(registry) as database:
        question = "select value from model_version_tags natural join registered_model_aliases"
        tags = {value for (value,) in database.execute(f"{question} where alias = 'champion'")}
    model = next(word for word in release["body"].split("`") if word in tags and len(word) == 32)
    assert model in hub.git.git("show", "release:dvc.lock")


def test_production_is_told_from_git_alone(team: Team) -> None:
    """Every release of this story, who merged it, and why it left."""
    team.laptop.run("git", "fetch", "-q", "origin")
    team.laptop.make("audit")
    found = json.loads(team.laptop.read("reports/audit.json"))
    commits = team.hub.git.lines("rev-list", "--first-parent", "--reverse", "release")[1:]
    assert [entry["commit"] for entry in found] == commits
    assert found[-2]["left"].endswith("Too many @alerts") and found[-1]["left"] == ""
    assert {entry["merged by"] for entry in found} == {"alice"}
    assert "release: v1, merged by alice" in team.laptop.make("lineage", MODEL="v1").stdout


def test_a_granted_permission_is_used(team: Team) -> None:
    """No job may do what it never did in this story."""
    unused = {key for key in team.hub.unused_permissions() if key[0] in ("promote", "release")}
    assert unused <= {
        ("promote", "open", "issues", "write"),
        ("release", "attest", "id-token", "write"),
    }
