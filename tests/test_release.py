"""Releases of a project whose first commit has a model, as the README says: `make demo`, then push.

The tests of this file are one story, told in their order. The repository is private, and nothing
is set up but what Actions may do; MLflow is added later.
"""

import json
import socket
from pathlib import Path

import pytest

from baking import BakedProject, Oven
from prepared import generated, share_environment
from registered import in_file
from rig import GitHub
from shipping import dispatch, go_to_main, model, opened, shipped, tree
from team import Team, commit, of, said

pytestmark = pytest.mark.slow

SUCCESS = "success"


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with one commit, which has a model; no branch `release`."""
    folder = tmp_path_factory.mktemp("laptop")
    team = generated(hub, oven, folder)
    hub.settings |= {"private": True, "actions_may_open_pull_requests": True}
    team.laptop.make(".venv-tracking/.synced")
    share_environment(team.laptop, ".venv-tracking", folder / "mlflow")
    team.laptop.make("repro")
    commit(team.laptop, "Everything")
    team.laptop.make("push")
    team.laptop.run("git", "push", "-q", "origin", "main")
    assert hub.run() == []
    return team


def planned(laptop: BakedProject, database: Path) -> str:
    """What an MLflow without anything in it would get."""
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{database}"}
    return laptop.make("registry", env=env, DRY=1).stdout


def test_what_waits_for_its_first_promotion_was_never_in_production(
    team: Team, tmp_path: Path
) -> None:
    """`release` starts with a history of its own, which names no model; the token of a workflow may
    push it, because `main` has its workflows."""
    run = dispatch(team)
    assert run.conclusion == SUCCESS, said(run)
    (pull,) = opened(team)
    assert pull.comments[0].body.startswith("### 🆕 First champion")
    assert len(team.hub.git.lines("rev-list", "release")) == 1
    laptop = team.laptop
    laptop.run("git", "fetch", "-q", "origin")
    assert "nothing was in production yet" in laptop.make("audit", check=False).stderr
    assert "names no model yet" in planned(laptop, tmp_path / "new.db")


def test_the_first_merge_is_the_first_release(team: Team, tmp_path: Path) -> None:
    """For the tag, the audit and the registry's plan. Without MLflow nothing is reconciled, and
    where GitHub attests no provenance a notice says why."""
    hub, laptop, (pull,) = team.hub, team.laptop, opened(team)
    assert shipped(team, pull) == tree(team, "main")
    run = of(hub.run(), "release")
    others = dict.fromkeys(("verify", "publish", "attest"), SUCCESS)
    assert run.jobs == others | {"reconcile": "skipped"}, said(run)
    assert "No provenance is attested, because" in run.log and hub.attestations == []
    (published,) = hub.releases
    assert published["tag_name"] == "v1"
    files = {asset["name"]: hub.assets[asset["id"]] for asset in published["assets"]}
    assert [*files] == ["model.skops", "report.md", "datasheet.md"]
    assert pull.comments[0].body.startswith(files["report.md"].decode().rstrip())
    assert hub.git.git("rev-parse", "v1") == hub.git.tip("release")
    laptop.run("git", "fetch", "-q", "origin")
    laptop.make("audit")
    (entry,) = json.loads(laptop.read("reports/audit.json"))
    assert (entry["version"], entry["commit"]) == ("v1", hub.git.tip("release"))
    assert entry["left"] == "" and entry["pull request"] == pull.number
    plan = planned(laptop, tmp_path / "new.db").splitlines()
    assert len(plan) == 2 and all(" of v1 (" in line for line in plan), plan


def test_a_registry_out_of_reach_stops_a_release_until_it_is_run_again(
    team: Team, tmp_path: Path
) -> None:
    """Nothing is tagged or published before MLflow agrees. Provenance is switched on meanwhile."""
    hub, database = team.hub, tmp_path / "mlflow.db"
    go_to_main(team)
    team.laptop.write("NOTES.md", "The team's notes.\n")
    team.push("Other code")
    hub.disabled.add("model.yml")  # what the pull request is told is no part of this
    hub.settings["required_checks"] = []
    hub.variables["ATTEST"] = "true"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        hub.variables["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        team.open("main", base="release").merge(team.person)
        run = of(hub.run(), "release")
    failed = {"reconcile": "failure", "publish": "skipped", "attest": "skipped"}
    assert run.jobs == {"verify": SUCCESS} | failed, said(run)
    assert "did not agree with release" in run.log
    assert len(hub.releases) == 1 and hub.git.lines("tag") == ["v1"]
    hub.variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{database}"
    hub.rerun(run)
    run = of(hub.run(), "release")
    assert set(run.jobs.values()) == {SUCCESS}, said(run)
    assert [each["tag_name"] for each in hub.releases] == ["v1", "v2"]
    assert in_file(database).models == [in_file(database).champion] == [model(hub, "v1")]
    assert len(hub.attestations) == 1
