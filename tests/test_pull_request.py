"""The life of pull requests in a generated project, on a loopback GitHub, through its workflows.

The tests of this file are one story, told in their order; each goes on where the last one ended.
"""

import pytest
import yaml

from baking import Oven
from rig import GitHub, Pull
from team import Team, head, of, said, set_params

pytestmark = pytest.mark.slow
TRAINING = "Running stage"


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """On a repository with the rules that the project brings along."""
    team = Team.create(hub, oven, tmp_path_factory.mktemp("laptop"))
    hub.protect(team.laptop.path / ".github/rulesets")
    return team


@pytest.fixture(scope="module")
def pulls() -> dict[str, Pull]:
    """The pull requests of the story, by the name of their branch."""
    return {}


# A new repository: no secret, no variable, no branch `release`, no model


def test_the_first_push_is_green(team: Team) -> None:
    """`ci` passes on what was generated; `track` has no server and `pages` no wish for a page."""
    team.push("Generated")
    runs = team.hub.run()
    assert {run.workflow: run.conclusion for run in runs} == {
        "ci": "success",
        "track": "skipped",
        "pages": "skipped",
    }, said(of(runs, "ci"))


def test_the_first_pull_request_trains_the_first_model(team: Team, pulls: dict[str, Pull]) -> None:
    """Whatever it changes: `main` has no model yet, so everything is stale."""
    team.start("first")
    team.laptop.write("NOTES.md", "The team's notes.\n")
    pushed = team.push()
    pulls["first"] = team.open("first")
    model = of(runs := team.hub.run(), "model")
    jobs = ("validate", "train", "compare", "publish", "check", "report", "gate")
    assert model.jobs == dict.fromkeys(jobs, "success"), said(model)
    assert of(runs, "ci").conclusion == "success"
    team.update()
    assert head(team.laptop, "HEAD^") == pushed
    assert team.laptop.run("git", "log", "-1", "--format=%an").stdout == "github-actions[bot]\n"


def test_one_comment_tells_of_it(pulls: dict[str, Pull]) -> None:
    """Posted by the bot; its first line is the verdict; the job's summary is the same text."""
    (comment,) = pulls["first"].comments
    assert comment.author.login == "github-actions[bot]"
    assert comment.body.startswith("### 🆕 First model")
    assert "ROC AUC" in comment.body.splitlines()[2]
    summary = of([run for run in pulls["first"].hub.runs if run.jobs], "model").summary["compare"]
    assert comment.body.startswith(summary.rstrip())


def test_the_bots_commit_carries_every_required_check(pulls: dict[str, Pull]) -> None:
    """GitHub's own runs of it wait for a person; the statuses count meanwhile."""
    pull = pulls["first"]
    waiting = [run for run in pull.hub.runs if run.waiting and run.head_sha == pull.head_sha]
    assert sorted(run.workflow for run in waiting) == ["ci", "model"]
    assert pull.checks() == {"ci": "success", "model gate": "success"}
    assert pull.refusal() is None


def test_who_approves_the_waiting_runs_sees_them_pass_without_training(
    team: Team, pulls: dict[str, Pull]
) -> None:
    for run in [run for run in team.hub.runs if run.waiting]:
        team.hub.approve(run, team.person)
    runs = team.hub.run()
    model = of(runs, "model")
    assert model.conclusion == "success" and of(runs, "ci").conclusion == "success", said(model)
    skipped = {job for job, result in model.jobs.items() if result == "skipped"}
    assert skipped == {"train", "publish", "check"}
    assert TRAINING not in model.log
    assert len(pulls["first"].comments) == 1
    assert set(pulls["first"].checks().values()) == {"success", "skipped"}
    assert pulls["first"].refusal() is None


def test_it_is_merged_and_a_merge_trains_nothing(team: Team, pulls: dict[str, Pull]) -> None:
    """`main` has a model, and its objects are in the store."""
    pulls["first"].merge(team.person)
    runs = team.hub.run()
    assert of(runs, "ci").conclusion == "success", said(of(runs, "ci"))
    assert all(TRAINING not in run.log for run in runs)
    team.start("laptop")
    team.laptop.make("setup")
    team.laptop.make("pull", "repro")
    assert team.laptop.run("git", "status", "--porcelain").stdout == ""


# Nothing that the model depends on


def test_a_readme_trains_nothing(team: Team, pulls: dict[str, Pull]) -> None:
    """No training second: the model is main's; the report is three lines with the numbers."""
    team.start("readme")
    team.laptop.write("README.md", team.laptop.read("README.md") + "\nMore.\n")
    team.push()
    pull = pulls["readme"] = team.open("readme")
    model = of(team.hub.run(), "model")
    assert model.conclusion == "success", said(model)
    skipped = {job for job, result in model.jobs.items() if result == "skipped"}
    assert skipped == {"train", "publish", "check"}
    assert TRAINING not in model.log and "objects from refs/dvc/store" not in model.log
    (comment,) = pull.comments
    text = comment.body.split("![](https://cml.dev")[0].strip()
    assert text.startswith("### ⚪") and len([li for li in text.splitlines() if li]) <= 3
    assert "ROC AUC" in text
    assert pull.refusal() is None
    pull.merge(team.person, "squash")
    team.hub.run()


# A change of the model


def test_a_parameter_is_trained_on_the_teams_runner(team: Team, pulls: dict[str, Pull]) -> None:
    """TRAIN_RUNNER names it by a label; everything else stays on hosted machines."""
    team.hub.variables["TRAIN_RUNNER"] = "our-gpu"
    team.start("faster")
    set_params(team.laptop, learning_rate="0.08")
    team.push()
    pull = pulls["faster"] = team.open("faster")
    model = of(team.hub.run(), "model")
    assert model.conclusion == "success", said(model)
    assert model.runs_on.pop("train") == ["our-gpu"]
    assert model.outcomes("train")["make leave"] == "success"
    assert all(labels == ["ubuntu-latest"] for labels in model.runs_on.values())
    body = pull.comments[0].body
    assert body.startswith(("### ⚪", "### ✅")) and "learning_rate" in body
    assert pull.checks() == {"ci": "success", "model gate": "success"}


def test_a_second_push_updates_the_comment(team: Team, pulls: dict[str, Pull]) -> None:
    """On top of the bot's commit; what is stale again is trained again."""
    pull, before = pulls["faster"], pulls["faster"].comments[0].body
    team.update()
    set_params(team.laptop, learning_rate="0.07")
    team.push()
    model = of(team.hub.run(), "model")
    assert model.conclusion == "success" and TRAINING in model.log, said(model)
    (comment,) = pull.comments
    assert comment.body != before and pull.refusal() is None


def test_two_models_conflict_and_sync_settles_it(team: Team, pulls: dict[str, Pull]) -> None:
    """GitHub starts nothing on a conflict; after `make sync` the runner trains what is stale."""
    team.start("deeper")
    set_params(team.laptop, max_leaf_nodes="20")
    team.push()
    pull = pulls["deeper"] = team.open("deeper")
    assert of(team.hub.run(), "model").conclusion == "success"
    team.update()
    pulls["faster"].merge(team.person)
    team.hub.run()
    assert not pull.mergeable()
    team.laptop.make("sync")
    team.laptop.run("git", "push", "-q", "origin", "HEAD")
    model = of(team.hub.run(), "model")
    assert model.conclusion == "success" and TRAINING in model.log, said(model)
    team.update()
    arguments = yaml.safe_load(team.laptop.read("params.yaml"))["train"]["arguments"]
    assert (arguments["learning_rate"], arguments["max_leaf_nodes"]) == (0.07, 20)
    assert pull.refusal() is None


def test_a_granted_permission_is_used(team: Team) -> None:
    """No job of the story may do what it never did, but for those of later tests."""
    unused = {key for key in team.hub.unused_permissions() if key[0] in ("ci", "model")}
    later = {
        ("model", "compare", "issues", "read"),
        ("model", "compare", "pull-requests", "read"),
        ("model", "report", "issues", "write"),
    }
    assert unused <= later
