"""Judge the held-out scores: metrics with intervals, slices, calibration, and simpler models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from . import fairness, metrics
from .errors import ProjectError
from .metrics import DIGITS, Codes, Estimate, Interval, Metric, Values, plain
from .params import Params

SIMPLE = ("linear", "dummy")


def run(
    params: Params,
    holdout: Path,
    scores: Path,
    importance: Path,
    predictions: Path,
    summary: Path,
    plots: Path,
) -> None:
    """Write what a reviewer needs to know about the model.

    Args:
        predictions: Parquet with the columns key, cluster, truth, score, and one for each slice;
            of many classes the score is an array with the chance of each.
        summary: JSON with the metrics, their intervals, and the gain over the simple models; and
            the fairness over the sensitive columns, where some are declared.
        plots: a folder of CSV files: slices, calibration, importance; roc of a binary task,
            residuals of a regression.

    Raises:
        ProjectError: the scores are not those of the held-out rows, or not all of them numbers.
    """
    task, options = params.task, params.evaluate
    rows = join(params, holdout, scores)
    for folder in (predictions.parent, summary.parent, plots):
        folder.mkdir(parents=True, exist_ok=True)
    kept = ["key", "cluster", "truth", "score", *options.slices]
    rows.select(kept).write_parquet(predictions)

    measured = metrics.named(task.kind, task.threshold)
    found = summarize(rows, measured, params)
    if options.sensitive:
        found["fairness"] = fairness.measure(rows, params)
    summary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    truth, score = values(rows, "truth"), values(rows, "score")
    write(slices(rows, measured[task.metric], params), plots / "slices.csv")
    if task.kind == "multiclass":  # the likeliest class: its chance, and whether it was the one
        truth, score = (score.argmax(axis=1) == truth).astype(float), score.max(axis=1)
    write(calibration(truth, score, options.bins), plots / "calibration.csv")
    if task.kind == "binary":
        write(roc(truth, score), plots / "roc.csv")
    elif task.kind == "regression":
        write(residuals(truth, score, options.bins), plots / "residuals.csv")
    losses = pl.read_parquet(importance).sort("loss", descending=True, maintain_order=True)
    write(losses, plots / "importance.csv")
    print(f"evaluate: {task.metric} {found[task.metric]['value']} on {rows.height:,} held-out rows")


def join(params: Params, holdout: Path, scores: Path) -> pl.DataFrame:
    """The held-out rows with their scores: key, cluster, truth, score, linear, dummy, slices,
    sensitive columns.

    Raises:
        ProjectError: as `run`.
    """
    task, options = params.task, params.evaluate
    named = list(dict.fromkeys([*options.slices, *options.sensitive]))
    held = pl.scan_parquet(sorted(holdout.glob("*.parquet"))).select(
        pl.col(task.key).alias("key"),
        pl.col(task.cluster or task.key).alias("cluster"),
        pl.col(task.target).cast(pl.Float64).alias("truth"),
        *named,
    )
    given = pl.scan_parquet(scores)
    rows = held.join(given, on="key", how="left", maintain_order="left").collect()
    extra = rows.height != given.select(pl.len()).collect().item()
    number = pl.col("score", *SIMPLE)
    if task.kind == "multiclass":
        number = number.arr.sum()
    bad = rows.filter(~pl.all_horizontal(number.is_finite().fill_null(False)))
    if extra or bad.height:
        raise ProjectError(
            f"{scores} does not hold one finite score for each of the {rows.height:,} held-out "
            f"rows ({bad.height:,} have none): `make repro` scores them again"
        )
    return rows.select("key", "cluster", "truth", "score", *SIMPLE, *named)


def values(rows: pl.DataFrame, column: str) -> Values:
    return rows[column].to_numpy()


def codes(column: pl.Series) -> Codes:
    """Cluster names as codes from 0 without gaps."""
    return np.unique(column.rank("dense").to_numpy(), return_inverse=True)[1]


def summarize(rows: pl.DataFrame, measured: dict[str, Metric], params: Params) -> dict[str, Any]:
    """Each metric of the model, and the gain of the model over each simple one."""
    cluster, confidence = codes(rows["cluster"]), params.evaluate.confidence
    truth = values(rows, "truth")
    summary: dict[str, Any] = {
        "holdout": {
            "rows": rows.height,
            "clusters": int(cluster.max()) + 1,
            "effective_clusters": round(metrics.effective(np.bincount(cluster)), 1),
        }
    }
    for name, metric in measured.items():
        now = metric(truth, values(rows, "score"))
        summary[name] = entry(metrics.interval(now, cluster, confidence))
        for simple in SIMPLE:
            base = metric(truth, values(rows, simple))
            change = metrics.interval(gain(name, now, base), cluster, confidence)
            summary[name][simple] = {
                "value": plain(base.value),
                "gain": plain(change.value),
                "gain_low": plain(change.low),
                "gain_high": plain(change.high),
            }
    return summary


def gain(name: str, now: Estimate, base: Estimate) -> Estimate:
    """By how much the model is better, whatever the metric's direction."""
    lower = name in metrics.LOWER_IS_BETTER
    return metrics.difference(base, now) if lower else metrics.difference(now, base)


def entry(interval: Interval) -> dict[str, Any]:
    return {key: plain(value) for key, value in interval._asdict().items()}


def slices(rows: pl.DataFrame, metric: Metric, params: Params) -> pl.DataFrame:
    """The headline metric in each group: slice, group, rows, clusters, value, low, high."""
    found = []
    for name in params.evaluate.slices:
        groups = rows.with_columns(pl.col(name).cast(pl.String).fill_null("missing").alias("group"))
        for (group,), part in groups.group_by("group", maintain_order=True):
            if part.height < params.evaluate.min_slice_rows:
                continue
            cluster = codes(part["cluster"])
            own = metric(values(part, "truth"), values(part, "score"))
            interval = metrics.interval(own, cluster, params.evaluate.confidence)
            found.append((name, group, part.height, int(cluster.max()) + 1, *map(plain, interval)))
    columns = ["slice", "group", "rows", "clusters", "value", "low", "high"]
    types = [pl.String, pl.String, pl.Int64, pl.Int64, pl.Float64, pl.Float64, pl.Float64]
    schema = dict(zip(columns, types, strict=True))
    return pl.DataFrame(found, schema=schema, orient="row").sort("slice", "group")


def calibration(truth: Values, score: Values, bins: int) -> pl.DataFrame:
    """Bins of equally many rows by score: what was predicted on average, and what happened."""
    parts = np.array_split(np.argsort(score, kind="stable"), bins)
    means = [(score[part].mean(), truth[part].mean(), len(part)) for part in parts if len(part)]
    return pl.DataFrame(means, schema=["predicted", "observed", "rows"], orient="row")


def roc(truth: Values, score: Values, points: int = 101) -> pl.DataFrame:
    """The receiver operating characteristic, at evenly spaced false positive rates."""
    order = np.argsort(-score, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(score) - 1]
    hits, misses = np.cumsum(truth[order])[last], np.cumsum(1 - truth[order])[last]
    grid = np.linspace(0, 1, points)
    rates = np.interp(grid, np.r_[0, misses / misses[-1]], np.r_[0, hits / hits[-1]])
    return pl.DataFrame({"false_positive_rate": grid, "true_positive_rate": rates})


def residuals(truth: Values, score: Values, bins: int) -> pl.DataFrame:
    """Truth less prediction: a histogram from the 1st to the 99th percentile."""
    error = truth - score
    low, high = np.quantile(error, [0.01, 0.99])
    count, edges = np.histogram(np.clip(error, low, high), bins=bins)
    return pl.DataFrame({"residual": (edges[:-1] + edges[1:]) / 2, "rows": count})


def write(frame: pl.DataFrame, path: Path) -> None:
    frame.with_columns(pl.selectors.float().round_sig_figs(DIGITS)).write_csv(path)
