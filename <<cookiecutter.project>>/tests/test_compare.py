"""Two models on the same rows: each mistake turns the verdict red, in words, and luck does not."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
import sklearn.metrics
from conftest import load

DAYS, EACH, CLASSES = 60, 80, 3
METRICS = {"binary": "roc_auc", "regression": "rmse", "multiclass": "log_loss"}
KINDS = pytest.mark.parametrize("kind", METRICS)


def task(kind: str = "binary", metric: str | None = None) -> Any:
    return load("params").Task(
        kind=kind,
        target="target",
        metric=metric or METRICS[kind],
        threshold=0.5,
        key="row",
        time=None,
        cluster="day",
        numeric=["x"],
        categorical=[],
    )


def gate(**changes: Any) -> Any:
    values = {
        "margin": 0.02,
        "confidence": 0.95,
        "min_clusters": 10,
        "floors": {},
        "min_slice_rows": 200,
        "min_slice_class": 25,
        "min_slice_clusters": 10,
        "beat_linear": 0.0,
        "latency_ms": 100,
        "latency_times": 5,
        "size_mib": 50,
        "jump": 0.15,
    }
    return load("params").Gate(**(values | changes))


def model(kind: str = "binary", seed: int = 1, noise: float = 0.1, days: int = DAYS) -> Any:
    """Predictions: a signal that all models see, and noise of the model's own.

    Models with other seeds and the same noise are equally good.
    """
    common, own = np.random.default_rng(0), np.random.default_rng(seed + 10)
    rows = days * EACH
    day = np.repeat(np.arange(days), EACH)
    signal = common.normal(0, 1, (rows, CLASSES)) + common.normal(0, 0.3, (days, CLASSES))[day]
    seen = signal + own.normal(0, noise, signal.shape)
    luck = common.random(rows)
    if kind == "regression":
        truth, score = signal[:, 0] + luck, seen[:, 0]
    elif kind == "binary":
        truth, score = (luck < logistic(signal[:, 0])).astype(float), logistic(seen[:, 0])
    else:
        truth = (softmax(signal).cumsum(axis=1) < luck[:, None]).sum(axis=1).clip(max=CLASSES - 1)
        score = softmax(seen)
    columns = {"key": [f"row {n}" for n in range(rows)], "cluster": day, "truth": truth}
    table = pl.DataFrame(columns | {"score": score.tolist()})
    return table.with_columns(
        pl.Series("place", np.array(["north", "south", "west"])[common.integers(0, 3, rows)]),
        pl.Series("size", common.integers(0, 4, rows)),
    )


def logistic(values: Any) -> Any:
    return 1 / (1 + np.exp(-values))


def softmax(values: Any) -> Any:
    return np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)


def compare(now: Any, base: Any = None, production: Any = None, **more: Any) -> dict[str, Any]:
    """A comparison of binary models, unless another task is given."""
    found = load("compare").compare(
        now, base, production, **({"task": task(), "gate": gate()} | more)
    )
    assert found["reasons"] and all(reason for reason in found["reasons"])
    json.dumps(found, allow_nan=False)
    return dict(found)


@KINDS
def test_equal_but_reseeded_is_equal_not_better(kind: str) -> None:
    """Whatever the kind of task."""
    found = compare(model(kind, 1), model(kind, 2), task=task(kind))
    assert found["verdict"] == "equal", found["reasons"]


@KINDS
def test_a_clear_gain_is_better_and_a_clear_loss_is_worse(kind: str) -> None:
    """Also where low values are good; the difference is in the metric's own direction."""
    good, bad = model(kind, 1, noise=0.1), model(kind, 2, noise=1)
    found = compare(good, bad, task=task(kind), gate=gate(jump=None))
    assert found["verdict"] == "better"
    entry = found["metrics"][METRICS[kind]]
    assert (entry["difference"] > 0) == (not entry["lower_is_better"])
    found = compare(bad, good, task=task(kind))
    assert found["verdict"] == "worse"
    assert found["reasons"][0].startswith("worse: ")


def test_shuffled_labels_are_worse_and_below_the_floor() -> None:
    """A model that was trained on shuffled labels predicts by chance."""
    chance = model().with_columns(pl.col("score").shuffle(seed=3))
    found = compare(chance, model(), gate=gate(floors={"roc_auc": 0.6}))
    assert found["verdict"] == "worse"
    assert any("gate.floors asks for at least 0.6" in reason for reason in found["reasons"])


def test_worse_on_one_slice_only_is_red_and_names_it() -> None:
    """Though the whole is within the margin."""
    base, bad = model(seed=2), model(seed=3, noise=4)["score"]
    hit = (pl.col("place") == "west") & (pl.col("size") == 3)
    both = pl.when(hit).then(bad).otherwise("score").alias("score")
    group = pl.when(hit).then(pl.lit("@far `west`")).otherwise("place").alias("place")
    found = compare(base.with_columns(both, group), base.with_columns(group), gate=gate(margin=0.1))
    assert found["verdict"] == "blocked"
    assert found["reasons"] == [r for r in found["reasons"] if "place '@far `west`' by −" in r]
    worse = [(s["slice"], s["group"]) for s in found["slices"] if s["result"] == "worse"]
    assert worse == [("place", "@far `west`")]


def test_a_slice_that_only_the_base_names_is_judged_still() -> None:
    """A change that takes a slice out of params.yaml cannot hide what it does there."""
    hit = pl.col("place") == "west"
    bad = pl.when(hit).then(model(seed=3, noise=4)["score"]).otherwise("score").alias("score")
    found = compare(model().with_columns(bad).drop("place"), model(), gate=gate(margin=0.1))
    assert any("place 'west'" in reason for reason in found["reasons"])


def test_small_slices_are_shown_and_not_judged() -> None:
    """Too few rows, too few of a class, or too few clusters; no interval is given for them."""
    few = gate(min_slice_class=10_000)
    for changes in ({"min_slice_rows": 10_000}, {"min_slice_clusters": 100}):
        found = compare(model(), model(seed=2), gate=gate(**changes))
        assert {each["result"] for each in found["slices"]} == {"small"}
        assert {each["low"] for each in found["slices"]} == {None}
    assert {each["result"] for each in compare(model(), model(seed=2), gate=few)["slices"]} == {
        "small"
    }


def test_truth_in_a_feature_is_suspicious() -> None:
    """A gain that is too good blocks until a person accepts it."""
    leak = model().with_columns(score=pl.col("score") / 2 + pl.col("truth") / 2)
    found = compare(leak, model())
    assert found["verdict"] == "blocked"
    assert found["reasons"][0].startswith("suspicious: ") and "leak" in found["reasons"][0]


def test_ten_times_slower_is_red() -> None:
    """Against the base, though the budget would hold; a file that is missing blocks too."""
    slow, base = {"latency_median_ms": 90, "model_bytes": 1}, {"latency_median_ms": 9}
    tables = model(), model(seed=2)
    found = compare(*tables, system=slow, base_system=base)
    assert found["verdict"] == "blocked"
    assert "10 times as long as base's" in found["reasons"][0]
    assert "not measured" in compare(*tables, system={}, base_system=base)["reasons"][0]


def test_the_first_model_has_no_baseline_and_its_floor_holds() -> None:
    """It is said that there is nothing to compare with."""
    found = compare(model(), gate=gate(floors={"roc_auc": 0.6}))
    assert found["verdict"] == "first"
    assert "no model to compare it with" in found["reasons"][0]
    assert found["production"] is None
    assert {r["result"] for r in found["rules"] if r["name"] in ("base", "slices", "jump")} == {
        "no baseline"
    }
    assert compare(model(), gate=gate(floors={"roc_auc": 0.99}))["verdict"] == "blocked"


def test_the_same_model_on_the_same_rows_is_unchanged() -> None:
    """And green without a question asked; that it is the same is checked, not believed."""
    strict = gate(floors={"roc_auc": 0.99})
    assert compare(model(), model(), gate=strict)["verdict"] == "unchanged"
    assert compare(model(), model(), gate=strict, unchanged=False)["verdict"] == "blocked"
    assert compare(model(), model(seed=2), unchanged=True)["verdict"] == "equal"


def test_small_losses_do_not_add_up() -> None:
    """Good enough against the base, and too far below production."""
    now, base, production = (model(seed=int(20 * n), noise=n) for n in (0.6, 0.4, 0.1))
    limits = gate(margin=0.04)
    assert compare(now, base, gate=limits)["verdict"] == "equal"
    assert compare(base, production, gate=limits)["verdict"] == "equal"
    found = compare(now, base, production, gate=limits)
    assert found["verdict"] in ("worse", "blocked")
    assert "production has" in found["reasons"][0]


def test_what_the_rows_cannot_decide_is_undecided() -> None:
    """It never passes; the smallest difference that they show is named, and warned of."""
    found = compare(model(), model(seed=2), gate=gate(margin=0.0001))
    assert found["verdict"] == "blocked"
    assert found["reasons"][0].startswith("undecided: ")
    assert any("gate.margin is 0.0001" in warning for warning in found["warnings"])


def test_few_clusters_decide_nothing() -> None:
    """Nine days hold too little luck to judge by, however many rows they have."""
    found = compare(model(days=9), model(seed=2, noise=1, days=9))
    assert found["verdict"] == "blocked"
    assert "9.0 effective clusters, and fewer than 10" in found["reasons"][0]


def test_a_baseline_that_cannot_be_scored_blocks() -> None:
    """With or without the other one."""
    why = {"production": "its data is gone"}
    found = compare(model(), model(seed=2), obstacles=why)
    assert found["verdict"] == "blocked"
    assert found["reasons"] == ["production cannot be compared with: its data is gone"]


BAD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no rows": (lambda t: t.clear(), "now has no rows"),
    "no column": (lambda t: t.drop("score"), "now has no column 'score'"),
    "a missing row": (
        lambda t: t.head(-2),
        "0 of now's 4,798 keys are not in base, and 2 of base's 4,800 not in now",
    ),
    "another key": (
        lambda t: t.with_columns(key=pl.col("key").replace("row 7", "row x")),
        "1 of now's 4,800 keys are not in base, and 1 of base's 4,800 not in now",
    ),
    "a key twice": (lambda t: pl.concat([t, t.head(1)]), "now repeats 1 of its 4,801 keys"),
    "no key": (
        lambda t: t.with_columns(key=pl.col("key").replace("row 7", None)),
        "now lacks the key of 1 of 4,800 rows",
    ),
    "no cluster": (
        lambda t: t.with_columns(cluster=pl.col("cluster").replace(7, None)),
        "now lacks the cluster of 80 of 4,800 rows",
    ),
    "another truth": (
        lambda t: t.with_columns(truth=1 - pl.col("truth")),
        "different truths in 4,800 rows",
    ),
    "NaN": (
        lambda t: one(t, float("nan")),
        "a score that is missing, NaN or infinite 1 times in 4,800 rows",
    ),
    "null": (
        lambda t: one(t, None),
        "a score that is missing, NaN or infinite 1 times in 4,800 rows",
    ),
    "infinite": (lambda t: one(t, float("inf")), "missing, NaN or infinite"),
    "no chance": (lambda t: one(t, 1.5), "now has scores outside 0 to 1"),
    "text": (lambda t: t.with_columns(score=pl.lit("0.5")), "now has String in 'score'"),
    "a list": (lambda t: t.with_columns(score=pl.concat_list("score")), "now has List(Float64)"),
    "a list of slices": (lambda t: t.with_columns(place=pl.concat_list("place")), "in 'place'"),
    "a constant": (lambda t: t.with_columns(score=pl.lit(0.25)), "all predictions are the same"),
    "no class": (lambda t: t.with_columns(truth=pl.lit(2)), "values that are no class"),
}


def one(table: Any, value: float | None) -> Any:
    first = pl.int_range(pl.len()) == 0
    return table.with_columns(score=pl.when(first).then(pl.lit(value)).otherwise("score"))


@pytest.mark.parametrize("name", BAD)
def test_a_table_that_cannot_be_judged_blocks(name: str) -> None:
    """One sentence, no traceback, and every key of a comparison is there."""
    spoil, words = BAD[name]
    both = name == "no class"
    found = compare(spoil(model()), spoil(model(seed=2)) if both else model(seed=2))
    assert found["verdict"] == "blocked"
    assert words in found["reasons"][0]
    assert set(found) == set(compare(model(), model(seed=2)))


def test_a_metric_that_the_rows_do_not_give_blocks() -> None:
    """A ROC curve needs both classes."""
    sure = pl.lit(1.0).alias("truth")
    found = compare(model().with_columns(sure), model(seed=2).with_columns(sure))
    assert found["verdict"] == "blocked"
    assert "ROC AUC of the new model is not defined" in found["reasons"][0]


def test_a_metric_without_influence_is_shown_and_never_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the headline it blocks, beside another it is only shown."""
    metrics = load("metrics")

    def share(truth: Any, score: Any) -> Any:
        return metrics.without_influence(truth, float(np.median(score)))

    def named(kind: str, threshold: float) -> Any:
        return {"roc_auc": metrics.roc_auc, "accuracy": share}

    monkeypatch.setattr(load("compare"), "named", named)
    floors = {"accuracy": 0.99}
    found = compare(model(), model(seed=2), gate=gate(floors=floors))
    assert found["verdict"] == "equal"
    assert found["metrics"]["accuracy"]["low"] is None
    assert not found["metrics"]["accuracy"]["gates"]
    found = compare(model(), model(seed=2), task=task(metric="accuracy"))
    assert found["verdict"] == "blocked"
    assert "has no influence function" in found["reasons"][0]


def test_the_order_of_rows_and_a_second_run_change_nothing() -> None:
    """Rows are joined by their keys; equal inputs give equal bytes."""
    tables = [model(seed=n) for n in range(3)]
    mixed = [table.sample(fraction=1, shuffle=True, seed=n) for n, table in enumerate(tables)]
    texts = [json.dumps(compare(*each), sort_keys=True) for each in (tables, tables, mixed)]
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize("column", ["key", "cluster"])
def test_keys_and_clusters_may_be_of_any_type(column: str) -> None:
    """Text, integers and dates name the same rows and days."""
    numbers = np.arange(DAYS * EACH) if column == "key" else np.repeat(np.arange(DAYS), EACH)
    dates = [date(2020, 1, 1) + timedelta(days=int(n)) for n in numbers]
    values = (numbers, numbers.astype(str), pl.Series(dates), pl.Series(numbers, dtype=pl.Int16))
    found = []
    for each in values:
        tables = (model(seed=n).with_columns(pl.Series(column, each)) for n in (1, 2))
        found.append(compare(*tables)["metrics"]["roc_auc"]["low"])
    assert found == pytest.approx([found[0]] * 4)


def test_rows_without_clusters_are_independent_and_it_is_said() -> None:
    """Too narrow an interval should not go by unseen."""
    tables = model().drop("cluster"), model(seed=2).drop("cluster")
    found = compare(*tables)
    assert "independent" in found["warnings"][0]
    assert found["holdout"]["clusters"] == DAYS * EACH


def test_the_coarsest_clusters_count() -> None:
    """A change that makes each row its own cluster cannot make itself look surer."""
    fine = model().with_columns(cluster=pl.col("key"))
    found = compare(fine, model(seed=2))
    assert found["holdout"]["clusters"] == DAYS
    assert "those of base, the coarsest, count" in found["warnings"][0]


def test_the_hash_is_that_of_the_rows_and_their_truths() -> None:
    """Another model has the same, another truth has another one."""
    first, second = compare(model()), compare(model(seed=2))
    assert first["holdout"]["sha256"] == second["holdout"]["sha256"]
    other = compare(model().with_columns(truth=1 - pl.col("truth")))
    assert other["holdout"]["sha256"] != first["holdout"]["sha256"]


def test_the_area_has_the_influence_of_delong() -> None:
    """Each row's is the share of the other class that it beats, less the mean."""
    rng = np.random.default_rng(0)
    truth, score = (rng.random(200) < 0.3).astype(float), np.round(rng.random(200), 1)
    found = load("metrics").roc_auc(truth, score)
    above = np.sign(score[truth == 1][:, None] - score[truth == 0]) / 2 + 0.5
    assert found.value == pytest.approx(above.mean())
    positive = (above.mean(axis=1) - above.mean()) / (truth == 1).sum()
    negative = (above.mean(axis=0) - above.mean()) / (truth == 0).sum()
    assert found.influence[truth == 1] == pytest.approx(positive)
    assert found.influence[truth == 0] == pytest.approx(negative)


@KINDS
def test_a_difference_is_as_sure_as_a_bootstrap_of_clusters_says(kind: str) -> None:
    """Whole clusters are drawn anew, of both models at once; within a fifth."""
    now, base = model(kind, 1, noise=0.5), model(kind, 2, noise=0.5)
    entry = compare(now, base, task=task(kind), gate=gate())["metrics"]
    truth = now["truth"].to_numpy()
    scores = [np.array(table["score"].to_list()) for table in (now, base)]
    rng = np.random.default_rng(1)
    for name, metric in load("metrics").named(kind, 0.5).items():
        draws = []
        for _ in range(300):
            rows = (rng.integers(0, DAYS, DAYS)[:, None] * EACH + np.arange(EACH)).ravel()
            values = [metric(truth[rows], score[rows]).value for score in scores]
            draws.append(values[0] - values[1])
        half = (entry[name]["high"] - entry[name]["low"]) / 2
        assert half / 2 == pytest.approx(np.std(draws), rel=0.2), name


def test_metrics_of_many_classes_equal_those_of_scikit_learn() -> None:
    """The area is the mean of each class against all others."""
    table = model("multiclass", noise=0.5)
    truth, score = table["truth"].to_numpy(), np.array(table["score"].to_list())
    known = {
        "roc_auc": sklearn.metrics.roc_auc_score(truth, score, multi_class="ovr"),
        "log_loss": sklearn.metrics.log_loss(truth, score),
        "brier": np.mean(np.sum((score - np.eye(CLASSES)[truth]) ** 2, axis=1)),
        "accuracy": sklearn.metrics.accuracy_score(truth, score.argmax(axis=1)),
    }
    found = load("metrics").named("multiclass", 0.5)
    assert set(found) == set(known)
    for name, value in known.items():
        estimate = found[name](truth.astype(float), score)
        assert estimate.value == pytest.approx(value), name
        assert estimate.influence.sum() == pytest.approx(0, abs=1e-9), name


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (pl.lit(0.5), "must hold a list"),
        (pl.concat_list(pl.lit(1.0)), "too small length"),
        (pl.concat_list(pl.lit(0.5), pl.lit(0.4), pl.lit(0.3)), "do not sum to 1"),
        (pl.concat_list(pl.lit(0.5), pl.lit(0.5)), "values that are no class: the classes are"),
        (pl.lit(None, pl.List(pl.Float64)), "too small length"),
    ],
)
def test_chances_that_are_none_block(score: Any, words: str) -> None:
    """One chance for each class, which sum to 1."""
    found = compare(model("multiclass").with_columns(score=score), task=task("multiclass"))
    assert found["verdict"] == "blocked"
    assert words in found["reasons"][0]


def test_an_array_of_chances_is_as_good_as_a_list() -> None:
    """Parquet knows both."""
    table = model("multiclass")
    array = table.with_columns(pl.col("score").list.to_array(CLASSES))
    assert compare(array, table, task=task("multiclass"))["verdict"] == "unchanged"


def command(*words: Path | str) -> int:
    return int(load("cli").main(["compare", *map(str, words)]))


def test_the_command_writes_the_comparison_whatever_the_verdict(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its exit code is that of the verdict, which is its one line."""
    now, out = made / "predictions.parquet", tmp_path / "new/comparison.json"
    assert command(now, now, "--production", now, "--out", out) == 0
    assert json.loads(out.read_text())["verdict"] == "unchanged"
    before = out.read_bytes()
    assert command(now, now, "--production", now, "--out", out) == 0
    assert out.read_bytes() == before
    pl.read_parquet(now).head(-1).write_parquet(tmp_path / "less.parquet")
    capsys.readouterr()
    assert command(tmp_path / "less.parquet", now, "--out", out) == 1
    assert json.loads(out.read_text())["verdict"] == "blocked"
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("compare: blocked: now and base hold different rows")
    assert [file.name for file in out.parent.iterdir()] == ["comparison.json"]


@pytest.mark.parametrize("content", [None, b"", b"no Parquet"])
def test_an_unreadable_file_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    """In one sentence, and nothing is written."""
    base = tmp_path / "base.parquet"
    if content is not None:
        base.write_bytes(content)
    assert command(made / "predictions.parquet", base, "--out", tmp_path / "out.json") == 1
    said = capsys.readouterr().err
    assert said.startswith("compare: BASE is ") and said.count("\n") == 1
    assert not (tmp_path / "out.json").exists()


def test_the_gate_that_judged_is_in_the_comparison() -> None:
    """So that a report can show it."""
    found = compare(model(), model(seed=2), gate=gate(margin=0.03))
    assert found["gate"] == msgspec.to_builtins(gate(margin=0.03))
    assert found["gate_from"] == "now"
