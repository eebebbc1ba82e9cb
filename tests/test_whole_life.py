"""A whole life: from a new project to a model in production and back, through its workflows.

The tests of this file are one story, told in their order. MLflow follows it in a file.
"""

import hashlib
import json
import re
from pathlib import Path

import pytest

from baking import Oven
from judged import PACKAGE, edit
from prepared import generated, share_environment
from registered import in_file
from rig import GitHub, Run
from shipping import (
    damaged,
    dispatch,
    go_to_main,
    model,
    opened,
    shipped,
    train_on_main,
    tree,
)
from team import Team, commit, head, of, said, set_params

pytestmark = pytest.mark.slow

SETTING = "Allow GitHub Actions to create and approve pull requests"
SUCCESS, TRAINING = "success", "Running stage"
WHY = "Too many @alerts"
HASH = re.compile(r"\b[0-9a-f]{64}\b")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's, which the workflows write."""
    return tmp_path_factory.mktemp("mlflow") / "mlflow.db"


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory, database: Path) -> Team:
    """A new project on GitHub: no model, no branch `release`."""
    folder = tmp_path_factory.mktemp("laptop")
    team = generated(hub, oven, folder)
    team.laptop.make(".venv-tracking/.synced")
    share_environment(team.laptop, ".venv-tracking", folder / "mlflow")
    commit(team.laptop, "Generated")
    team.laptop.run("git", "push", "-q", "origin", "main")
    hub.variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{database}"
    hub.secrets["MLFLOW_TRACKING_TOKEN"] = "a-token-that-no-file-asks-for"
    hub.person("bob")
    assert hub.run() == []
    return team


def propose(team: Team, branch: str) -> None:
    """Push what was changed, let the runner train it, and merge it into `main`."""
    team.push(f"Try the {branch} model")
    pull = team.open(branch)
    run = of(team.hub.run(), "model")
    assert run.jobs["train"] == run.jobs["publish"] == SUCCESS, said(run)
    assert pull.refusal() is None, pull.comments[-1].body
    pull.merge(team.person)
    assert team.hub.run() == []


def released(team: Team) -> Run:
    """The run that a merge into `release` started."""
    run = of(team.hub.run(), "release")
    assert TRAINING not in run.log
    return run


def is_in_production(team: Team, run: Run, database: Path, number: int, revision: str) -> None:
    """The model of a commit, by everything that tells: tag, release, file, registry."""
    assert run.conclusion == SUCCESS, said(run)
    hub = team.hub
    assert hub.git.git("rev-parse", f"v{number}") == hub.git.tip("release")
    assert [each["tag_name"] for each in hub.releases][-1] == f"v{number}"
    assets = {asset["name"]: hub.assets[asset["id"]] for asset in hub.releases[-1]["assets"]}
    assert [*assets] == ["model.skops", "report.md", "datasheet.md"]
    file, report, sheet = assets.values()
    wanted = model(hub, revision)
    assert hashlib.md5(file).hexdigest() == wanted and sheet.startswith(b"## Data sheet")
    assert report.startswith(b"### ")
    assert in_file(database).champion == wanted and wanted in hub.releases[-1]["body"]


# The first model


def test_the_first_pull_request_trains_the_first_model(team: Team) -> None:
    """On the runner; merged, `main` has it."""
    team.start("first")
    team.laptop.write("NOTES.md", "The team's notes.\n")
    propose(team, "first")
    assert model(team.hub, "main")


def test_a_refusal_to_open_names_the_setting(team: Team) -> None:
    """The branch is pushed, the job is red, and a person can open the pull request by a link."""
    run, sha = dispatch(team), str(team.hub.git.tip("main"))
    assert run.conclusion == "failure" and run.jobs["open"] == "failure"
    assert SETTING in run.log and f"compare/release...promote/{sha[:7]}" in run.log
    assert opened(team) == []


def test_the_first_promotion_has_nothing_to_compare_with(team: Team, database: Path) -> None:
    """Run again after the setting was switched on: a report, and the checks that rules ask for."""
    hub = team.hub
    hub.settings["actions_may_open_pull_requests"] = True
    run = dispatch(team)
    assert run.conclusion == SUCCESS and TRAINING not in run.log, said(run)
    (pull,) = opened(team)
    assert pull.head_sha == hub.git.tip("main")
    assert pull.comments[0].body.startswith("### 🆕 First champion")
    assert pull.checks() == {"ci": SUCCESS, "model gate": SUCCESS}
    assert shipped(team, pull) == tree(team, "main")
    run = released(team)
    assert run.jobs == dict.fromkeys(("verify", "reconcile", "publish", "attest"), SUCCESS)
    is_in_production(team, run, database, 1, "main")
    body = hub.releases[0]["body"]
    assert "## Model card" in body and "Rollback" not in body and len(hub.attestations) == 1


def test_a_release_that_is_run_again_changes_nothing(team: Team, database: Path) -> None:
    hub = team.hub
    before, registry = [dict(release) for release in hub.releases], in_file(database)
    hub.rerun(hub.runs[-1])
    assert of(hub.run(), "release").conclusion == SUCCESS
    assert hub.releases == before and in_file(database) == registry


def test_what_is_in_production_is_not_promoted_again(team: Team) -> None:
    run = dispatch(team)
    assert run.conclusion == SUCCESS and run.jobs["open"] == "skipped", said(run)
    assert "in production already" in run.log and opened(team) == []


# The second one, with another schema


def test_the_second_pull_request_changes_the_schema(team: Team) -> None:
    """It is compared with the first model on rows that have one column less."""
    team.start("second")
    edit(team.laptop, f"{PACKAGE}/ingest.py", '"pressure", "visib")', '"pressure")')
    schema = team.laptop.read(f"{PACKAGE}/schema.py").splitlines(keepends=True)
    kept = "".join(line for line in schema if '"visib"' not in line)
    team.laptop.write(f"{PACKAGE}/schema.py", kept)
    edit(team.laptop, "params.yaml", "pressure, visib]", "pressure]")
    set_params(team.laptop, max_iter="30")
    propose(team, "second")


def test_a_laptop_promotes_by_ordinary_runs(team: Team, database: Path) -> None:
    """The stricter gate judges against the champion, and nothing trains."""
    go_to_main(team)
    sha = head(team.laptop)
    told = team.laptop.make("promote").stdout
    assert f"https://{team.hub.host}/" in told and f"/compare/release...promote/{sha[:7]}" in told
    assert "no token for" in told and opened(team) == []
    team.laptop.make("promote", env={"GITHUB_TOKEN": team.person.token})
    (pull,) = opened(team)
    pull.approve(team.hub.people["bob"])
    run = of(team.hub.run(), "model")
    assert run.conclusion == SUCCESS and TRAINING not in run.log, said(run)
    assert run.jobs["train"] == run.jobs["publish"] == "skipped"
    body = pull.comments[0].body
    assert "`release`" in body and "at most 50" in body and "<b>Model card</b>" in body
    assert "<b>Decisions</b>: " in body and "beside the champion, `release`, on the" in body
    assert shipped(team, pull, team.hub.people["bob"]) == tree(team, sha)
    is_in_production(team, released(team), database, 2, sha)
    notes = team.hub.releases[-1]["body"]
    assert (
        "Approved by `bob`" in notes and "the champion before |" in notes.split("## Model card")[0]
    )


# Back, and forth again


def test_a_champion_that_the_store_lost_does_not_come_back(team: Team) -> None:
    """Red, in one sentence; the pull request stays open for when the object is there again."""
    go_to_main(team)
    team.laptop.write("NOTES.md", "The team goes on meanwhile.\n")
    team.push("Note it")
    team.hub.run()
    with damaged(team.hub, model(team.hub, "v1")):
        run = dispatch(team, to="previous", reason=WHY)
    (pull,) = opened(team)
    body = pull.comments[0].body
    assert body.startswith("### ⛔ Blocked: its model cannot come back\n\nThe store "), body
    assert "lacks 1 object that dvc.lock names" in body and "models/model.skops" in body
    assert pull.checks() == {"ci": "failure", "model gate": "failure"}, said(run)
    assert pull.refusal() == 'Required status check "model gate" is failing.'


def test_the_champion_before_comes_back(team: Team, database: Path) -> None:
    """Past a schema change, while `main` has moved on. The notes say why, the alias follows, and
    an upload that GitHub refused is made by running the job again."""
    hub, main = team.hub, team.hub.git.tip("main")
    run = dispatch(team, to="previous", reason=WHY)
    assert run.conclusion == SUCCESS and TRAINING not in run.log, said(run)
    (pull,) = opened(team)
    assert pull.comments[0].body.startswith("### ↩️ Rollback"), pull.comments[0].body
    assert WHY in pull.body and pull.checks() == {"ci": SUCCESS, "model gate": SUCCESS}
    before = in_file(database).versions
    hub.fault("POST /repos/{owner}/{repo}/releases/{release_id}/assets", status=403)
    assert shipped(team, pull) == tree(team, "v1")
    run = released(team)
    assert run.conclusion == "failure" and run.jobs["publish"] == "failure"
    hub.rerun(run)
    is_in_production(team, released(team), database, 3, "v1")
    assert in_file(database).versions == before and hub.git.tip("main") == main
    body = hub.releases[-1]["body"]
    assert "**Rollback**" in body and "Too many `@alerts`" in body and len(hub.releases) == 3


def test_what_was_rolled_back_is_promoted_again(team: Team, database: Path) -> None:
    """Git knows it as merged: the head is a commit with its tree, and both as parents."""
    run = dispatch(team)
    assert run.conclusion == SUCCESS, said(run)
    (pull,) = opened(team)
    parents = team.hub.git.git("show", "-s", "--format=%P", pull.head_sha).split()
    assert parents == [team.hub.git.tip("release"), team.hub.git.tip("main")]
    assert shipped(team, pull) == tree(team, "main")
    is_in_production(team, released(team), database, 4, "v2")


# Merged in another way than the rules allow


@pytest.mark.parametrize(("number", "method"), [(5, "rebase"), (6, "squash")])
def test_another_kind_of_merge_is_understood(
    team: Team, database: Path, number: int, method: str
) -> None:
    """History stays a line of what was in production, though GitHub names nobody who merged."""
    sha = train_on_main(team, max_iter=f"{number}0")
    assert dispatch(team).conclusion == SUCCESS
    (pull,) = opened(team)
    assert shipped(team, pull, method=method) == tree(team, sha)
    assert len(team.hub.git.git("show", "-s", "--format=%P", "release").split()) == 1
    is_in_production(team, released(team), database, number, sha)


# What is left of it


def test_production_is_told_from_git_alone(team: Team, database: Path) -> None:
    """Every release of this story: who merged it, on which data, and why it left."""
    hub = team.hub
    team.laptop.run("git", "fetch", "-q", "origin")
    team.laptop.make("audit")
    print(table := team.laptop.read("reports/audit.md"))
    found = json.loads(team.laptop.read("reports/audit.json"))
    commits = hub.git.lines("rev-list", "--first-parent", "--reverse", "release")[1:]
    assert [entry["commit"] for entry in found] == commits
    assert [entry["version"] for entry in found] == [f"v{number}" for number in range(1, 7)]
    assert [entry["model"] for entry in found] == [model(hub, each) for each in commits]
    assert [entry["merged by"] for entry in found][:4] == ["alice", "bob", "alice", "alice"]
    assert [entry["left"] for entry in found] == [
        "replaced by v2",
        f"rolled back to v1 by v3: {WHY}",
        "rolled back to v2 by v4",
        "replaced by v5",
        "replaced by v6",
        "",
    ]
    assert all(entry["metric"] == "roc_auc" and 0.5 < entry["value"] < 1 for entry in found)
    assert [entry["to"] for entry in found] == [entry["from"] for entry in found[1:]] + [""]
    assert len({entry["data"] for entry in found}) == 2 and len(table.splitlines()) == 8
    told = team.laptop.make("lineage", env={"GITHUB_TOKEN": team.person.token}, MODEL="v2").stdout
    assert "release: v2, merged by bob" in told and "reviewers: Approved by `bob`." in told
    (run,) = HASH.findall(told)
    assert run in {tags["dvc_lock"] for tags in in_file(database).versions}


def test_an_empty_registry_becomes_the_same(team: Team, database: Path, tmp_path: Path) -> None:
    """From git and the store: each model once, with all tags, and the alias."""
    team.laptop.make("registry", env={"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/new.db"})
    made = in_file(tmp_path / "new.db")
    assert made == in_file(database) and len(made.models) == 4
    assert made.champion == model(team.hub, "release")


def test_a_granted_permission_is_used(team: Team) -> None:
    """No job may do what it never did in this story."""
    unused = {key for key in team.hub.unused_permissions() if key[0] in ("promote", "release")}
    assert unused <= {("release", "attest", "id-token", "write")}
