"""`make compare` on a laptop: which models it finds, and how it scores those of other commits."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from baking import IDENTITY, BakedProject, Oven
from judged import PACKAGE, edit
from prepared import SMALL, share_environment
from team import QUICK, Remote, commit, head, set_params, with_a_python

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Remote:
    return Remote.create(tmp_path_factory.mktemp("remote") / "flight-delays.git")


@pytest.fixture(scope="module")
def project(oven: Oven, tmp_path_factory: pytest.TempPathFactory, remote: Remote) -> BakedProject:
    """A laptop with a model in production, and on `main` one that is a little worse."""
    project = with_a_python(oven.bake(tmp_path_factory.mktemp("laptop"), {}))
    project = replace(project, environment={**project.environment, **IDENTITY})
    set_params(project, **QUICK | SMALL | {"max_iter": "40", "margin": "0.02"})
    project.make("setup")
    share_environment(project, ".venv", tmp_path_factory.mktemp("shared") / "environment")
    project.write(".git/info/exclude", ".venv\n")  # so that a commit has none
    project.make("repro")
    project.run("git", "remote", "add", "origin", str(remote.path))
    commit(project, "The first model")
    project.run("git", "push", "-q", "origin", "main", "main:release")
    set_params(project, max_iter="20")
    project.make("repro")
    commit(project, "A smaller model")
    project.make("push")
    project.run("git", "push", "-q", "origin", "main")
    return project


@pytest.fixture
def laptop(project: BakedProject, tmp_path: Path) -> BakedProject:
    """A copy of the laptop, for a change of `main` alone; no production."""
    laptop = project.copy(tmp_path)
    laptop.run("git", "update-ref", "-d", "refs/remotes/origin/release")
    laptop.run("git", "checkout", "-qb", "change")
    return laptop


def compare(laptop: BakedProject, base: str = "") -> dict[str, Any]:
    laptop.make("compare", BASE=base)
    found: dict[str, Any] = json.loads(laptop.read("reports/comparison.json"))
    return found


def fewer_rows(laptop: BakedProject) -> None:
    """Two weeks are held out instead of four."""
    set_params(laptop, holdout_weeks="2", min_clusters="5")
    laptop.make("repro")


def test_nothing_changed(laptop: BakedProject) -> None:
    """No prediction is read: it works where the store is out of reach."""
    laptop.write("README.md", "More.\n")
    commit(laptop, "More")
    shutil.rmtree(laptop.path / ".dvc/cache")
    laptop.run("git", "remote", "set-url", "origin", "/nowhere")
    found = compare(laptop)
    assert found["verdict"] == "unchanged"
    metrics = json.loads(laptop.read("reports/metrics.json"))
    assert found["metrics"]["roc_auc"]["now"] == metrics["roc_auc"]["value"]
    assert found["changed"] == {"params": [], "files": ["README.md"]}


def test_an_empty_field_of_a_high_risk_card_blocks(laptop: BakedProject) -> None:
    """Though nothing trains; filled in, nothing has changed."""
    edit(laptop, "params.yaml", "risk: minimal", "risk: high")
    commit(laptop, "A higher class")
    found = compare(laptop)
    assert (found["verdict"], found["accepted"]) == ("blocked", None)
    laptop.make("report")
    told = laptop.read("reports/report.md")
    assert "Blocked: without what the EU AI Act asks of a high-risk system" in told
    assert "Article 14 asks who can step in" in told and "Or a maintainer" not in told
    for field in ("oversight", "data_governance", "record_keeping"):
        edit(laptop, "params.yaml", f'{field}: ""', f"{field}: A sentence.")
    commit(laptop, "What the Act asks")
    found = compare(laptop)
    assert found["verdict"] == "unchanged" and found["rules"][-1]["result"] == "passes"


def test_other_metrics_of_the_same_model_are_a_change(laptop: BakedProject) -> None:
    """The gate reads them, so they are held against the predictions."""
    edit(laptop, "reports/metrics.json", '"brier": {\n    "value": ', '"brier": {\n    "value": 1')
    laptop.run(".venv/bin/dvc", "commit", "-q", "-f")
    found = compare(laptop)
    assert found["verdict"] == "blocked" and "says that brier is" in found["reasons"][0]


def test_the_base_is_scored_again_where_the_held_out_rows_changed(laptop: BakedProject) -> None:
    """By its own code: what this change makes of scores is not asked."""
    old = "np.asarray(model.predict_proba(frame)[:, 1], dtype=np.float64)"
    edit(laptop, f"{PACKAGE}/model.py", old, "1 - model.predict_proba(frame)[:, 1]")
    fewer_rows(laptop)
    found = compare(laptop)
    base, rows = found["models"]["base"], found["holdout"]["rows"]
    assert (base["scored"], base["why"]) == ("again", "the held-out rows changed")
    assert base["holdout"] != found["models"]["now"]["holdout"]
    held = pl.read_parquet(laptop.path / "data/holdout/*.parquet")
    assert rows == held.height and held["date"].n_unique() == found["holdout"]["clusters"] == 14
    area = found["metrics"]["roc_auc"]
    assert area["base"] > 0.6 and area["now"] < 0.4 and found["verdict"] == "worse"
    assert laptop.run("git", "worktree", "list").stdout.count("\n") == 1


def test_its_environment_is_its_own(laptop: BakedProject) -> None:
    """No model can be read in the one that is here; the base makes its own."""
    fewer_rows(laptop)
    laptop.write("src/skops.py", "raise ImportError('broken here')\n")
    broken = laptop.make("predict", INPUT="data/holdout", OUTPUT="scores.csv", check=False)
    assert "broken here" in broken.stderr
    assert compare(laptop)["models"]["base"]["scored"] == "again"


def test_a_feature_that_the_base_does_not_know_is_left_out_for_it(laptop: BakedProject) -> None:
    """Its contract refuses other columns than its own."""
    ingest, schema = f"{PACKAGE}/ingest.py", f"{PACKAGE}/schema.py"
    weekday = 'alias("weekday"),\n'
    edit(laptop, ingest, weekday, f'{weekday}            hour=pl.col("minute"),\n')
    edit(laptop, ingest, '*("distance", *WEATHER,', '*("distance", "hour", *WEATHER,')
    edit(laptop, schema, '        "late":', '        "hour": Column(pl.Int32),\n        "late":')
    edit(laptop, "params.yaml", "pressure, visib]", "pressure, visib, hour]")
    laptop.make("repro")
    found = compare(laptop)
    assert found["models"]["base"]["scored"] == "again"
    metrics = json.loads(laptop.run("git", "show", "main:reports/metrics.json").stdout)
    assert found["metrics"]["roc_auc"]["base"] == pytest.approx(metrics["roc_auc"]["value"])


def test_a_base_that_cannot_be_scored_blocks(laptop: BakedProject) -> None:
    """Its model is nowhere: the reason is said, and the gate does not pass by accident."""
    fewer_rows(laptop)
    lock = yaml.safe_load(laptop.run("git", "show", "main:dvc.lock").stdout)
    outs = {out["path"]: out["md5"] for out in lock["stages"]["train"]["outs"]}
    name = outs["models/model.skops"]
    (laptop.path / ".dvc/cache/files/md5" / name[:2] / name[2:]).unlink()
    laptop.run("git", "remote", "set-url", "origin", str(empty(laptop.path.parent / "empty.git")))
    found = compare(laptop)
    base = found["models"]["base"]
    assert found["verdict"] == "blocked" and base["scored"] == "no"
    assert found["reasons"][0].startswith("base cannot be compared with: ")
    assert "lacks" in found["reasons"][0] and base["why"] in found["reasons"][0]
    assert found["metrics"]["roc_auc"]["base"] is None


def empty(path: Path) -> Path:
    return Remote.create(path).path


def test_a_base_whose_code_fails_blocks_in_its_own_words(laptop: BakedProject) -> None:
    """`make predict` of that commit ends with a sentence, which is the reason."""
    text = laptop.read(f"{PACKAGE}/predict.py")
    laptop.write(f"{PACKAGE}/predict.py", "raise SystemExit('predict: out of order')\n")
    broken = commit(laptop, "Break it")
    laptop.write(f"{PACKAGE}/predict.py", text)
    fewer_rows(laptop)
    found = compare(laptop, base=broken)
    assert found["reasons"] == ["base cannot be compared with: predict: out of order"]
    assert found["verdict"] == "blocked"


def test_a_base_whose_contract_refuses_rows_blocks(laptop: BakedProject) -> None:
    """It sets them aside and scores the others, which is no comparison on the same rows."""
    text = laptop.read(f"{PACKAGE}/schema.py")
    edit(laptop, f"{PACKAGE}/schema.py", "in_range(10, 6000)", "in_range(10, 1000)")
    narrow = commit(laptop, "Short flights only")
    laptop.write(f"{PACKAGE}/schema.py", text)
    fewer_rows(laptop)
    found = compare(laptop, base=narrow)
    (reason,) = found["reasons"]
    assert "base cannot be compared with: its own contract refuses" in reason
    assert found["verdict"] == "blocked"


def test_production_is_compared_with_too(laptop: BakedProject, remote: Remote) -> None:
    """Each of two small losses passes against the model before it; together they do not."""
    laptop.run("git", "fetch", "-q", "origin")
    set_params(laptop, max_iter="8")
    laptop.make("repro")
    found = compare(laptop)
    results = {rule["name"]: rule["result"] for rule in found["rules"]}
    assert results["base"] == "passes" and results["production"] == "blocks"
    assert found["verdict"] == "worse" and "production has" in found["reasons"][0]
    assert found["models"]["production"]["commit"] == remote.tip("release")
    step = compare(laptop, base="origin/main~1")  # from production itself to main it did pass
    assert step["models"]["base"]["commit"] == remote.tip("release")
    laptop.run("git", "checkout", "-qf", "main")
    laptop.run(".venv/bin/dvc", "checkout", "-q", "--force")
    assert compare(laptop, base="origin/release")["verdict"] == "equal"


def test_the_shadow_tells_which_decisions_change(project: BakedProject, tmp_path: Path) -> None:
    """Of the model in production; one sentence where it is this one, or where there is none."""
    laptop = project.copy(tmp_path)
    said = laptop.make("shadow").stdout
    found = json.loads(laptop.read("reports/shadow.json"))
    assert 0 < found["changed"] < found["rows"] and found["clusters"] == 28
    assert said.startswith("shadow: Decisions: ") and "champion, release, on the" in said
    assert "reports/shadow.json" not in laptop.run("git", "status", "--porcelain").stdout
    for command, sentence in (
        (("update-ref", "refs/remotes/origin/release", "main"), "this model is the champion"),
        (("update-ref", "-d", "refs/remotes/origin/release"), "there is no champion yet"),
    ):
        laptop.run("git", *command)
        said = laptop.make("shadow").stdout
        assert sentence in said and said.count("\n") == 1
        assert not laptop.has("reports/shadow.json")


def test_another_base_by_its_revision(laptop: BakedProject, project: BakedProject) -> None:
    first = head(project, "main~1")
    found = compare(laptop, base="main~1")
    assert found["models"]["base"]["commit"] == first
    assert found["models"]["base"]["name"] == "main~1"
    assert ["train.arguments.max_iter", 40, 20] in found["changed"]["params"]
    refused = laptop.make("compare", BASE="nobody", check=False)
    assert "'nobody' is no revision" in refused.stderr and refused.returncode != 0
