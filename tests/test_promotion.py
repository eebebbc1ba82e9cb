"""Promotion and rollback: pull requests to `release`, through the executed workflows.

The tests of this file are one story, told in their order. What a merge starts is told by
test_whole_life.py, what is refused by test_shipped_mutants.py.
"""

import pytest

from baking import Oven
from prepared import prepared
from rig import GitHub
from shipping import (
    damaged,
    dispatch,
    model,
    opened,
    shipped,
    train_on_main,
    tree,
)
from team import Team, commit, of, said, set_params

pytestmark = pytest.mark.slow

TRAINING = "Running stage"


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with two models on `main`; both were in production, and the second one is."""
    team = prepared(hub, oven, tmp_path_factory.mktemp("laptop"))
    hub.disabled.add("release.yml")
    hub.settings["actions_may_open_pull_requests"] = True
    team.laptop.run("git", "push", "-q", "origin", "HEAD:release")
    sha = train_on_main(team, max_iter="22")
    hub.git.set("refs/heads/release", hub.git.merged(str(hub.git.tip("release")), sha, "Second"))
    assert hub.run() == []
    return team


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


def test_githubs_revert_is_a_rollback(team: Team) -> None:
    """The button makes the same as `git revert -m 1` on a branch. A model that is damaged in the
    store is refused, in one sentence."""
    laptop = team.laptop
    laptop.run("git", "fetch", "-q", "origin")
    laptop.run("git", "checkout", "-q", "--no-track", "-B", "revert-it", "origin/release")
    laptop.run("git", "revert", "-m", "1", "--no-edit", "HEAD")
    laptop.run("git", "push", "-q", "origin", "HEAD")
    pull = team.open("revert-it", base="release")
    with damaged(team.hub, model(team.hub, "revert-it"), "another file"):
        run = of(team.hub.run(), "model")
    assert run.conclusion == "failure"
    blocked = "### ⛔ Blocked: its model cannot come back\n\n"
    assert pull.comments[0].body.startswith(blocked), pull.comments[0].body
    assert "is damaged" in pull.comments[0].body
    team.hub.rerun(run)
    run = of(team.hub.run(), "model")
    assert run.conclusion == "success" and TRAINING not in run.log, said(run)
    assert pull.comments[0].body.startswith("### ↩️ Rollback") and pull.refusal() is None
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
