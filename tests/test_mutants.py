"""Models that must not pass: each goes through the workflow, and the gate refuses it in words.

A mutant is what a mistaken team, or a dishonest one, could push. All are judged in one go.
"""

import json

import polars as pl
import pytest
import yaml

from baking import BakedProject, Oven
from judged import PACKAGE, Judged, Mutants, edit, refused
from mutants import TABLE, edit_metric, record, replace, train_labels
from prepared import prepared
from rig import GitHub
from team import Team, said, set_params

pytestmark = pytest.mark.slow

SMALL = {
    "until": '"2013-06-30"',
    "holdout_weeks": "8",
    "max_iter": "40",
    "early_stopping": "false\n    max_features: 0.5",  # so that a seed makes a difference
    "margin": "0.015",
    "beat_linear": "0.0",
    "latency_ms": "null",  # a busy machine is slow; how much slower than main's model still counts
}
SPLIT = "2013-05-05"
"""The last day to train on."""

MUTANTS = Mutants()
mutant = MUTANTS.add


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """`main` has a model of eight weeks' rows, as it was generated, but small."""
    return prepared(hub, oven, tmp_path_factory.mktemp("laptop"), **SMALL)


@pytest.fixture(scope="module")
def judged(team: Team) -> dict[str, Judged]:
    """Every mutant after its run, by name."""
    return MUTANTS.judged(team)


# The mutants, each with its test


@mutant
def shuffled_labels(project: BakedProject) -> None:
    """A join lost the order of the labels."""
    train_labels(project, "pl.when(old).then(late.shuffle(seed=1)).otherwise(late)", SPLIT)


def test_shuffled_labels(judged: dict[str, Judged]) -> None:
    """Trained by the runner: worse, below the floor, and no better than a linear model."""
    found = judged["shuffled_labels"]
    assert found.trained
    refused(found, "Worse than `main`", "ROC AUC is 0.5", "gate.floors asks for at least 0.6")


@mutant
def metres(project: BakedProject) -> None:
    """The source changed a unit, which the contract does not allow."""
    new = '    table = table.with_columns(pl.col("distance") * 1609)\n'
    edit(project, f"{PACKAGE}/ingest.py", TABLE, TABLE + new)


def test_data_that_breaks_the_contract(judged: dict[str, Judged]) -> None:
    """Nothing is trained; the comment has the table of what is broken."""
    found = judged["metres"]
    assert found.run.jobs["validate"] == "failure" and found.run.jobs["train"] == "skipped"
    refused(found, "the data breaks its contract", "| `distance` |", "| Examples |")


@mutant
def one_slice(project: BakedProject) -> None:
    """One carrier reports its delays the wrong way round."""
    wrong = 'pl.when(old & (pl.col("carrier") == "FL")).then(~late).otherwise(late)'
    train_labels(project, wrong, SPLIT)


def test_worse_on_one_slice_only(judged: dict[str, Judged]) -> None:
    """Hardly seen in the whole; the slice is named."""
    found = judged["one_slice"]
    assert found.trained
    refused(found, "worse for", "1 slice is worse than base's: carrier 'FL'")


@mutant
def slow(project: BakedProject) -> None:
    """Each score is the mean of forty equal ones."""
    edit(
        project,
        f"{PACKAGE}/model.py",
        "np.asarray(model.predict_proba(frame)[:, 1], dtype=np.float64)",
        "np.mean([model.predict_proba(frame)[:, 1] for _ in range(40)], axis=0)",
    )


def test_ten_times_slower(judged: dict[str, Judged]) -> None:
    """As good as main's, and blocked by nothing but its latency."""
    found = judged["slow"]
    assert found.trained
    refused(found, "Blocked: slower than base", "at most 8 times")


@mutant
def reseeded(project: BakedProject) -> None:
    """The same model with other luck."""
    set_params(project, seed="1")


def test_equal_but_reseeded(judged: dict[str, Judged]) -> None:
    """Another model, not a better one: the gate is green and says equal."""
    found = judged["reseeded"]
    assert found.trained and found.gate == "success", said(found.run)
    assert found.comment.startswith("### ⚪ As good as `main`"), found.comment


@mutant
def leak(project: BakedProject) -> None:
    """The delay at arrival becomes a feature."""
    ingest, schema = f"{PACKAGE}/ingest.py", f"{PACKAGE}/schema.py"
    edit(project, ingest, '*WEATHER, "late")', '*WEATHER, "arr_delay", "late")')
    column = '        "arr_delay": Column(pl.Int32),\n'
    edit(project, schema, '        "late":', f'{column}        "late":')
    edit(project, "params.yaml", "pressure, visib]", "pressure, visib, arr_delay]")
    project.make("repro", "push")


def test_truth_in_a_feature(judged: dict[str, Judged]) -> None:
    """main's model never saw the column and is scored again; the gain is too good to be true."""
    words = "Suspicious: ROC AUC gains +0.2"
    refused(judged["leak"], "Blocked: too good to be true", words, "look for a leak")


@mutant
def constant(project: BakedProject) -> None:
    """The estimator of a first try was left in."""
    text = project.read("params.yaml")
    start, end = text.index("  estimator:"), text.index("  encoding:")
    dummy = "  estimator: sklearn.dummy.DummyClassifier\n  arguments: {}\n"
    project.write("params.yaml", text[:start] + dummy + text[end:])
    project.make("repro", "push")


def test_all_predictions_the_same(judged: dict[str, Judged]) -> None:
    refused(judged["constant"], "all predictions are the same")


@mutant
def few_rows(project: BakedProject) -> None:
    """One week is held out instead of eight."""
    set_params(project, holdout_weeks="1")
    project.make("repro", "push")


def test_an_undecided_comparison_never_passes(judged: dict[str, Judged]) -> None:
    """main's model is scored again on that week; seven days tell nothing from luck."""
    words = "Undecided: the held-out rows have 7.0 effective clusters, and fewer than 10"
    refused(judged["few_rows"], "### ⛔ Blocked: undecided", words)


@mutant
def looser(project: BakedProject) -> None:
    """A gate that lets anything pass, and a model that needs it."""
    set_params(project, max_iter="2", margin="0.5", floors="{}", beat_linear="null")
    project.make("repro", "push")


def test_a_gate_loosened_together_with_a_worse_model(judged: dict[str, Judged]) -> None:
    """main's gate judges, and the report says so."""
    words = "this change alters the gate, and the base branch's gate has judged it"
    refused(judged["looser"], "Worse than `main`", words, "gate.margin")


@mutant
def no_gate(project: BakedProject) -> None:
    text = project.read("params.yaml")
    start, end = text.index("gate:"), text.index("promotion:")
    project.write("params.yaml", text[:start] + text[end:])


@mutant
def no_margin(project: BakedProject) -> None:
    text = project.read("params.yaml").splitlines(keepends=True)
    project.write("params.yaml", "".join(li for li in text if not li.startswith("  margin:")))


@pytest.mark.parametrize(("name", "key"), [("no_gate", "gate"), ("no_margin", "gate.margin")])
def test_a_gate_deleted_from_params(judged: dict[str, Judged], name: str, key: str) -> None:
    """The whole section, or one rule of it."""
    refused(judged[name], "`params.yaml` is not valid", f"{key} is missing")
    assert not judged[name].trained


# Committed by hand


@mutant
def other_rows(project: BakedProject) -> None:
    """The hard days of a month are left out of the held-out rows."""
    path = "data/holdout/2013-06.parquet"
    table = pl.read_parquet(project.path / path)
    replace(project, path, table.filter(pl.col("date").dt.day() < 20))
    record(project)


def test_other_held_out_rows_than_date_and_split_give(judged: dict[str, Judged]) -> None:
    words = "is not what the split of this commit gives"
    refused(judged["other_rows"], "does not hold together", "holdout/2013-06.parquet", words)


@mutant
def rows_missing(project: BakedProject) -> None:
    """Predictions of which the worst were cut off."""
    path = "data/predictions.parquet"
    replace(project, path, pl.read_parquet(project.path / path).head(40_000))
    record(project)


def test_rows_missing_in_predictions(judged: dict[str, Judged]) -> None:
    words = "is not what the scores and the held-out rows give"
    refused(judged["rows_missing"], "does not hold together", "data/predictions.parquet", words)


@mutant
def rows_dropped(project: BakedProject) -> None:
    """`evaluate` itself leaves rows out, so that all holds together."""
    old = "rows.select(kept).write_parquet"
    edit(project, f"{PACKAGE}/evaluate.py", old, "rows.select(kept).head(40_000).write_parquet")
    project.make("repro", "push")


def test_rows_dropped_by_code(judged: dict[str, Judged]) -> None:
    """No metric is compared on rows that one side chose."""
    words = "10,661 of base's 50,661 not in now"
    assert not judged["rows_dropped"].trained
    refused(judged["rows_dropped"], "now and base hold different rows", words)


def measured(project: BakedProject, change: str) -> None:
    """`evaluate` reports something else than it measured, in code, so that all holds together."""
    line = "    found = summarize(rows, measured, params)\n"
    edit(project, f"{PACKAGE}/evaluate.py", line, f"{line}    {change}\n")
    project.make("repro", "push")


@mutant
def metric_missing(project: BakedProject) -> None:
    measured(project, 'del found["brier"]')


@mutant
def metric_nan(project: BakedProject) -> None:
    measured(project, 'found["brier"]["value"] = float("nan")')


@mutant
def metric_infinite(project: BakedProject) -> None:
    measured(project, 'found["brier"]["value"] = float("inf")')


@pytest.mark.parametrize("name", ["metric_missing", "metric_nan", "metric_infinite"])
def test_a_metric_that_is_no_number(judged: dict[str, Judged], name: str) -> None:
    refused(judged[name], "reports/metrics.json", "has no finite value for brier")


@mutant
def metric_edited(project: BakedProject) -> None:
    edit_metric(project, "roc_auc", float("nan"))


def test_a_metric_edited_by_hand(judged: dict[str, Judged]) -> None:
    words = "is not what the predictions of this commit gives"
    refused(judged["metric_edited"], "does not hold together", "reports/metrics.json", words)


@mutant
def poisoned(project: BakedProject) -> None:
    """A model file that runs a command when it is asked for scores."""
    code = (
        "import os, skops.io; from sklearn.pipeline import make_pipeline;"
        "from sklearn.preprocessing import FunctionTransformer;"
        "skops.io.dump(make_pipeline(FunctionTransformer(os.system)), 'models/model.skops')"
    )
    (project.path / "models/model.skops").unlink()
    project.run(".venv/bin/python", "-c", code)
    record(project)


def test_a_poisoned_model_file(judged: dict[str, Judged]) -> None:
    """Its type is named, and nothing of it runs."""
    refused(judged["poisoned"], "models/model.skops", "holds the type posix.system, which is not")


@mutant
def lock_edited(project: BakedProject) -> None:
    """A lock that says the model was trained otherwise, and metrics that are too good."""
    lock = yaml.safe_load(project.read("dvc.lock"))
    lock["stages"]["train"]["params"]["params.yaml"]["train"]["seed"] = 7
    project.write("dvc.lock", yaml.safe_dump(lock))
    metrics = json.loads(project.read("reports/metrics.json"))
    metrics["roc_auc"]["value"] = 0.99
    project.write("reports/metrics.json", json.dumps(metrics, indent=2) + "\n")


def test_an_edited_lock_is_trained_anew(judged: dict[str, Judged], hub: GitHub) -> None:
    """What was written in is gone: the model is main's own."""
    found = judged["lock_edited"]
    assert found.trained and found.gate == "success", said(found.run)
    assert found.comment.startswith("### ⚪ No change to the model")
    for path in ("dvc.lock", "reports/metrics.json"):
        mine, theirs = (hub.git.git("show", f"{at}:{path}") for at in ("lock_edited", "main"))
        assert yaml.safe_load(mine) == yaml.safe_load(theirs)


def swap_model(project: BakedProject) -> None:
    """A lock that names another model of the store beside the scores of main's."""
    good = yaml.safe_load(project.read("dvc.lock"))
    set_params(project, max_iter="3")
    project.make("repro", "push")
    lock = yaml.safe_load(project.read("dvc.lock"))
    theirs = {out["path"]: out for out in good["stages"]["train"]["outs"]}
    mine = {out["path"]: out for out in lock["stages"]["train"]["outs"]}
    theirs["models/model.skops"] = mine["models/model.skops"]
    lock["stages"]["train"]["outs"] = [theirs[path] for path in mine]
    lock["stages"]["evaluate"] = good["stages"]["evaluate"]
    project.write("dvc.lock", yaml.safe_dump(lock))
    project.run("git", "checkout", "-q", "main", "--", "reports")


@mutant
def model_swapped(project: BakedProject) -> None:
    swap_model(project)


@mutant
def model_swapped_and_stale(project: BakedProject) -> None:
    """A later stage has to run: the runner would take the earlier ones as the lock has them."""
    swap_model(project)
    set_params(project, bins="11")


@pytest.mark.parametrize("name", ["model_swapped", "model_swapped_and_stale"])
def test_another_model_than_the_scores_tell_of(judged: dict[str, Judged], name: str) -> None:
    """It is refused before or after training, and nothing of it is committed."""
    found = judged[name]
    words = "are not those that its model gives the held-out rows"
    refused(found, "`dvc.lock` does not hold together", words)
    assert found.pull.head_sha == found.run.head_sha


@mutant
def not_pushed(project: BakedProject) -> None:
    """Trained on a laptop, and `make push` forgotten."""
    set_params(project, max_iter="41")
    project.make("repro")


def test_a_forgotten_push(judged: dict[str, Judged]) -> None:
    """The store lacks what the lock names; the command that mends it is said."""
    found = judged["not_pushed"]
    refused(found, "the store lacks what `dvc.lock` names", "`make push`")
    assert not found.trained
