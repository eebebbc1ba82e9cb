"""Metrics equal scikit-learn's, and their intervals know that rows come in clusters."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sklearn.metrics
from conftest import load

BINARY = {
    "roc_auc": sklearn.metrics.roc_auc_score,
    "average_precision": sklearn.metrics.average_precision_score,
    "log_loss": sklearn.metrics.log_loss,
    "brier": sklearn.metrics.brier_score_loss,
}
REGRESSION = {
    "mae": sklearn.metrics.mean_absolute_error,
    "rmse": sklearn.metrics.root_mean_squared_error,
    "r2": sklearn.metrics.r2_score,
}


def rows(kind: str, size: int = 3000) -> tuple[Any, Any, Any]:
    """Truth and scores with ties, in 30 clusters of unequal size that share their luck."""
    rng = np.random.default_rng(0)
    cluster = np.sort(rng.integers(0, 30, size) ** 2 // 30)
    cluster = np.unique(cluster, return_inverse=True)[1]
    luck = rng.normal(0, 0.3, 30)[cluster]
    if kind == "regression":
        truth = rng.normal(0, 1, size)
        return truth, truth / 2 + luck, cluster
    truth = (rng.random(size) < 0.3).astype(float)
    return truth, np.clip(np.round(0.3 + truth / 5 + luck, 2), 0.01, 0.99), cluster


@pytest.mark.parametrize(("kind", "known"), [("binary", BINARY), ("regression", REGRESSION)])
def test_metrics_equal_those_of_scikit_learn(kind: str, known: dict[str, Any]) -> None:
    """Ties included."""
    truth, score, _ = rows(kind)
    for name, metric in known.items():
        found = load("metrics").named(kind, 0.5)[name](truth, score)
        assert found.value == pytest.approx(metric(truth, score))
        assert found.influence.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_intervals_are_as_wide_as_a_bootstrap_of_clusters_says(kind: str) -> None:
    """The standard error is that of resampling whole clusters, within a third."""
    metrics, (truth, score, cluster) = load("metrics"), rows(kind)
    rng = np.random.default_rng(1)
    members = [np.flatnonzero(cluster == c) for c in range(cluster.max() + 1)]
    for name, metric in metrics.named(kind, 0.5).items():
        draws = []
        for _ in range(300):
            picked = rng.integers(0, len(members), len(members))
            chosen = np.concatenate([members[c] for c in picked])
            draws.append(metric(truth[chosen], score[chosen]).value)
        estimate = metric(truth, score)
        sums = np.bincount(cluster, weights=estimate.influence)
        assert np.sqrt((sums**2).sum()) == pytest.approx(np.std(draws), rel=0.34), name


def test_one_cluster_says_nothing_about_the_spread() -> None:
    """The interval is infinite, not zero."""
    metrics, (truth, score, cluster) = load("metrics"), rows("binary")
    found = metrics.interval(metrics.brier(truth, score), cluster * 0, 0.95)
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_one_class_has_no_roc_curve() -> None:
    """A metric that the rows cannot give is missing, not 0 or 1."""
    found = load("metrics").roc_auc(np.ones(5), np.arange(5.0))
    assert np.isnan(found.value)


def test_the_files_hold_together(params: Any, made: Path) -> None:
    """The headline follows from the predictions, and the slices from the held-out rows."""
    summary = json.loads((made / "metrics.json").read_text())
    table = pl.read_parquet(made / "predictions.parquet")
    metric = load("metrics").named(params.task.kind, params.task.threshold)[params.task.metric]
    found = metric(table["truth"].to_numpy(), table["score"].to_numpy()).value
    assert summary[params.task.metric]["value"] == pytest.approx(found, rel=1e-6)
    assert table.columns == ["key", "cluster", "truth", "score", *params.evaluate.slices]
    slices = pl.read_csv(made / "plots/slices.csv")
    assert slices["rows"].sum() == table.height * len(params.evaluate.slices)


def test_missing_scores_are_refused(params: Any, made: Path, tmp_path: Path) -> None:
    """A held-out row without a score would make the model look better than it is."""
    pl.read_parquet(made / "scores.parquet").head(-1).write_parquet(tmp_path / "scores.parquet")
    names = ("importance.parquet", "predictions.parquet", "metrics.json", "plots")
    paths = [made / "holdout", tmp_path / "scores.parquet", made / names[0]]
    with pytest.raises(load("errors").ProjectError, match="1 have none"):
        load("evaluate").run(params, *paths, *(tmp_path / name for name in names[1:]))
