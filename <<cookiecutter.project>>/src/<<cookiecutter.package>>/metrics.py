"""Metrics with their influence functions, and intervals that know that rows come in clusters.

An influence function says how much each row moves a metric. Its sum over a cluster is what that
cluster contributes to the variance, so one pass over the rows replaces thousands of resamples.
Intervals use Student's t with the effective number of clusters less one as degrees of freedom.

Sources: DeLong, DeLong & Clarke-Pearson (1988) and Obuchowski (1997) for the area under the curve
of clustered rows; Efron (1982), the infinitesimal jackknife, for the others; Cameron & Miller
(2015) for clusters.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Values = NDArray[np.float64]
Codes = NDArray[np.intp]


class Estimate(NamedTuple):
    """A metric's value and the influence of each row on it, shape (rows,)."""

    value: float
    influence: Values


class Interval(NamedTuple):
    value: float
    low: float
    high: float


def mean(loss: Values) -> Estimate:
    value = float(loss.mean())
    return Estimate(value, (loss - value) / len(loss))


def roc_auc(truth: Values, score: Values) -> Estimate:
    """Chance that a positive row scores above a negative one, ties counted half."""
    positive = truth == 1
    above, below = np.sort(score[positive]), np.sort(score[~positive])
    if not (len(above) and len(below)):
        return undefined(truth)
    place = np.empty(len(score))
    place[positive] = midrank(below, score[positive])
    place[~positive] = 1 - midrank(above, score[~positive])
    value = float(place[positive].mean())
    return Estimate(value, (place - value) / np.where(positive, len(above), len(below)))


def midrank(sorted_values: Values, values: Values) -> Values:
    """Share of the sorted values that lie below each value, ties counted half."""
    left = np.searchsorted(sorted_values, values, "left")
    right = np.searchsorted(sorted_values, values, "right")
    return np.asarray((left + right) / (2 * len(sorted_values)))


def average_precision(truth: Values, score: Values) -> Estimate:
    """Mean, over the positive rows, of the precision at their score."""
    positive = truth == 1
    if not positive.any():
        return undefined(truth)
    levels, level = np.unique(-score, return_inverse=True)
    size = np.bincount(level, minlength=len(levels))
    hits = np.bincount(level, weights=positive, minlength=len(levels))
    taken, found = np.cumsum(size), np.cumsum(hits)
    precision = found / taken
    value = float((hits * precision).sum() / hits.sum())
    # A row that is taken changes the precision of every positive that ranks at or below it.
    gain = np.cumsum((hits / taken)[::-1])[::-1]
    cost = np.cumsum((hits * found / taken**2)[::-1])[::-1]
    influence = positive * (precision[level] - value) + positive * gain[level] - cost[level]
    return Estimate(value, influence / hits.sum())


def log_loss(truth: Values, score: Values) -> Estimate:
    """Mean negative log likelihood in nats; scores are kept 1e-15 away from 0 and 1."""
    chance = np.clip(score, 1e-15, 1 - 1e-15)
    return mean(-np.where(truth == 1, np.log(chance), np.log1p(-chance)))


def brier(truth: Values, score: Values) -> Estimate:
    return mean((score - truth) ** 2)


def mae(truth: Values, score: Values) -> Estimate:
    return mean(np.abs(score - truth))


def rmse(truth: Values, score: Values) -> Estimate:
    square = mean((score - truth) ** 2)
    root = float(np.sqrt(square.value))
    return Estimate(root, square.influence / (2 * root) if root else square.influence)


def r2(truth: Values, score: Values) -> Estimate:
    """Share of the truth's variance that the score explains."""
    error, spread = mean((score - truth) ** 2), mean((truth - truth.mean()) ** 2)
    if not spread.value:
        return undefined(truth)
    ratio = error.value / spread.value
    return Estimate(1 - ratio, (ratio * spread.influence - error.influence) / spread.value)


def undefined(truth: Values) -> Estimate:
    return Estimate(float("nan"), np.full(len(truth), np.nan))


Metric = Callable[[Values, Values], Estimate]
LOWER_IS_BETTER = ("log_loss", "brier", "mae", "rmse")


def named(kind: str, threshold: float) -> dict[str, Metric]:
    """The metrics of a kind of task, in the order in which a report shows them."""

    def accuracy(truth: Values, score: Values) -> Estimate:
        return mean(((score >= threshold) == (truth == 1)).astype(float))

    if kind == "regression":
        return {"mae": mae, "rmse": rmse, "r2": r2}
    return {
        "roc_auc": roc_auc,
        "average_precision": average_precision,
        "log_loss": log_loss,
        "brier": brier,
        "accuracy": accuracy,
    }


def effective(cluster: Codes) -> float:
    """How many clusters of equal size carry as much as these (Kish 1965)."""
    size = np.bincount(cluster)
    return float(size.sum() ** 2 / (size.astype(float) ** 2).sum())


def interval(estimate: Estimate, cluster: Codes, confidence: float) -> Interval:
    """The estimate's interval; infinite where a single cluster says nothing about the spread.

    Args:
        cluster: shape (rows,), codes from 0 without gaps.
        confidence: such as 0.95.
    """
    sums = np.bincount(cluster, weights=estimate.influence)
    clusters = len(sums)
    if clusters < 2:
        return Interval(estimate.value, float("-inf"), float("inf"))
    error = np.sqrt(clusters / (clusters - 1) * (sums**2).sum())
    freedom = max(effective(cluster) - 1, 1)
    half = float(stdtrit(freedom, 0.5 + confidence / 2) * error)
    return Interval(estimate.value, estimate.value - half, estimate.value + half)


def difference(now: Estimate, base: Estimate) -> Estimate:
    """Two models on the same rows: what they share cancels row by row."""
    return Estimate(now.value - base.value, now.influence - base.influence)
