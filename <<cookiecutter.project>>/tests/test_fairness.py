"""Fairness has its known answers, its n, and intervals that know that rows come in clusters."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import ROOT, change, load


def measure(params: Any, rows: pl.DataFrame, kind: str = "binary", least: int = 1) -> Any:
    """What is found in the sensitive column `sex`."""
    options = {"sensitive": ["sex"], "min_slice_rows": least}
    settings = change(params, task={"kind": kind, "threshold": 0.5}, evaluate=options)
    (found,) = load("fairness").measure(rows, settings)
    return found


def table(
    truth: list[float], score: Any, sex: list[str | None], cluster: Any = None
) -> pl.DataFrame:
    rows = {"cluster": range(len(truth)) if cluster is None else cluster}
    return pl.DataFrame(rows | {"truth": truth, "score": score, "sex": sex}, strict=False)


def gaps(found: Any) -> dict[str, Any]:
    return {gap["name"]: gap["value"] for gap in found["gaps"]}


def test_parity_and_opportunity_of_two_groups(params: Any) -> None:
    """f: 3 of 4 called positive, 1 of 2 positives found; m: 1 of 4, 1 of 1."""
    truth = [1.0, 1, 0, 0, 1, 0, 0, 0]
    score = [0.9, 0.1, 0.5, 0.8, 0.6, 0.2, 0.1, 0.4]
    found = measure(params, table(truth, score, [*"ffff", *"mmmm"]))
    assert gaps(found) == {
        "demographic_parity_difference": 0.5,
        "demographic_parity_ratio": pytest.approx(1 / 3),
        "equal_opportunity_difference": 0.5,
    }
    assert [group["true_positive_rate"]["rows"] for group in found["groups"]] == [2, 1]
    ends = {gap["name"]: (gap["highest"], gap["lowest"]) for gap in found["gaps"]}
    assert ends["demographic_parity_ratio"] == ("f", "m")
    assert ends["equal_opportunity_difference"] == ("m", "f")


def test_a_regression_has_the_gap_of_its_errors(params: Any) -> None:
    """The mean absolute error of each group."""
    found = measure(params, table([0.0, 0, 0, 0], [1.0, 3, -5, 5], [*"ffmm"]), "regression")
    assert gaps(found) == {"mae_difference": 3.0}
    assert [group["mae"]["value"] for group in found["groups"]] == [2.0, 5.0]


def test_many_classes_have_the_gap_of_their_accuracy(params: Any) -> None:
    score = pl.Series([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5]], dtype=pl.Array(float, 3))
    found = measure(params, table([0.0, 0, 2], score, [*"ffm"]), "multiclass")
    assert gaps(found) == {"accuracy_difference": 0.5}


def test_groups_that_are_too_small_are_counted(params: Any) -> None:
    """Not judged; so is a rate that stands on too few rows, and a missing value is a group."""
    truth, score = [1.0, 0, 0, 1, 0, 1], [0.9] * 6
    found = measure(params, table(truth, score, ["f", "f", "f", None, None, "m"]), least=2)
    assert [group["group"] for group in found["groups"]] == ["f", "missing"]
    assert found["small"] == {"groups": 1, "rows": 1}
    assert found["groups"][0]["true_positive_rate"]["value"] is None
    assert gaps(found)["equal_opportunity_difference"] is None
    assert gaps(found)["demographic_parity_difference"] == 0


def test_nobody_called_positive_has_no_ratio(params: Any) -> None:
    """Nothing divided by nothing is no number."""
    found = gaps(measure(params, table([1.0, 0, 1, 0], [0.1] * 4, [*"ffmm"])))
    assert found["demographic_parity_ratio"] is None
    assert found["demographic_parity_difference"] == 0


@pytest.mark.parametrize("name", ["demographic_parity_difference", "demographic_parity_ratio"])
def test_intervals_are_as_wide_as_a_bootstrap_of_clusters_says(params: Any, name: str) -> None:
    """Of groups that share the luck of their clusters, within a third."""
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(40), 60)
    sex = rng.random(2400) < 0.5
    score = np.clip(
        0.45 + 0.1 * sex + rng.normal(0, 0.1, 40)[cluster] + rng.normal(0, 0.2, 2400), 0, 1
    )
    rows = table([1.0] * 2400, score, ["m" if one else "f" for one in sex], cluster)
    (whole,) = [gap for gap in measure(params, rows)["gaps"] if gap["name"] == name]
    draws = []
    for _ in range(200):
        picked = rng.integers(0, 40, 40)
        drawn = np.concatenate([np.flatnonzero(cluster == one) for one in picked])
        f, m = ((score[drawn][sex[drawn] == side] >= 0.5).mean() for side in (False, True))
        draws.append(m - f if name.endswith("difference") else f / m)
    half = 2.02 * np.std(draws)
    assert (whole["high"] - whole["low"]) / 2 == pytest.approx(half, rel=0.34)


def test_the_pipeline_measures_it_over_columns_that_are_no_feature(
    params: Any, made: Path, tmp_path: Path
) -> None:
    """It has a key of its own, no slice is judged for it, and without a column nothing is there."""
    names = ("predictions.parquet", "metrics.json", "plots")
    paths = [made / name for name in ("holdout", "scores.parquet", "importance.parquet")]
    column = next(
        name for name in load("schema").SCHEMA.columns if name not in params.task.features
    )
    wanted = change(params, evaluate={"sensitive": [column]})
    load("evaluate").run(wanted, *paths, *(tmp_path / name for name in names))
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found.pop("fairness")[0]["column"] == column
    known = json.loads((made / "metrics.json").read_text())
    assert found == {name: value for name, value in known.items() if name != "fairness"}
    for name in names[0], "plots/slices.csv":
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def test_a_sensitive_column_is_in_the_contract(params: Any, sample: Path, tmp_path: Path) -> None:
    """Else one sentence."""
    wrong = change(params, evaluate={"sensitive": ["shoe_size"]})
    paths = (tmp_path / name for name in ("valid", "data.json", "violations.md"))
    with pytest.raises(load("errors").ProjectError, match="shoe_size"):
        load("validate").run(wrong, sample, *paths)


def test_an_unchanged_model_is_told_without_it(params: Any) -> None:
    """It is a list beside the metrics, and none of them."""
    known: dict[str, Any] = {"holdout": None, params.task.metric: {"value": 0.7}, "fairness": []}
    now = SimpleNamespace(json=lambda path: dict(known))
    found = load("gitops.review").unchanged(params, params.gate, now)
    assert list(found["metrics"]) == [params.task.metric]


def test_a_change_of_it_trains_nothing() -> None:
    """`evaluate` and `validate` read the columns, `train` does not."""
    stages = load("params").read(ROOT / "dvc.yaml")["stages"]
    assert stages["train"]["params"] == ["task", "train"]
    read = [name for stage in stages.values() for name in stage["params"]]
    assert not any(name.startswith("card") for name in read)
