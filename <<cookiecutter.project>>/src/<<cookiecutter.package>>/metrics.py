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
from scipy.special import stdtr, stdtrit

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
    hits = int(positive.sum())
    misses = len(truth) - hits
    if not (hits and misses):
        return undefined(truth)
    order = np.argsort(score)
    ranked, sign = score[order], positive[order]
    first = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    size = np.diff(np.r_[first, len(ranked)])
    place = np.empty(len(score))
    below = midcount(~sign, first, size) / misses
    above = 1 - midcount(sign, first, size) / hits
    place[order] = np.where(sign, below, above)
    value = float(place[positive].mean())
    return Estimate(value, (place - value) / np.where(positive, hits, misses))


def midcount(chosen: NDArray[np.bool_], first: Codes, size: Codes) -> Values:
    """How many chosen rows rank below each row, ties counted half; ranks begin at `first`."""
    tied = np.add.reduceat(chosen.astype(float), first)
    return np.repeat(np.cumsum(tied) - tied / 2, size)


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
    return without_influence(truth, float("nan"))


def without_influence(truth: Values, value: float) -> Estimate:
    """A metric whose influence function nobody knows: it is shown, and has no interval."""
    return Estimate(value, np.full(len(truth), np.nan))


def macro_roc_auc(truth: Values, score: Values) -> Estimate:
    """Mean, over the classes that occur, of the area of one class against all others."""
    each = (roc_auc((truth == k).astype(float), score[:, k]) for k in range(score.shape[1]))
    found = [estimate for estimate in each if np.isfinite(estimate.value)]
    return average(found) if found else undefined(truth)


def average(found: list[Estimate]) -> Estimate:
    value = float(np.mean([estimate.value for estimate in found]))
    influence = np.zeros(len(found[0].influence))
    for estimate in found:
        influence += estimate.influence / len(found)
    return Estimate(value, influence)


def log_losses(truth: Values, score: Values) -> Estimate:
    """As `log_loss`, of the chance that was given to the row's own class."""
    own = np.take_along_axis(score, truth.astype(np.intp)[:, None], axis=1)[:, 0]
    return mean(-np.log(np.clip(own, 1e-15, 1 - 1e-15)))


def briers(truth: Values, score: Values) -> Estimate:
    """Squared error summed over the classes (Brier 1950): from 0 to 2."""
    loss = np.zeros(len(truth))
    for k in range(score.shape[1]):
        loss += (score[:, k] - (truth == k)) ** 2
    return mean(loss)


def accuracies(truth: Values, score: Values) -> Estimate:
    """Share of the rows whose likeliest class is theirs; the first of equal ones counts."""
    return mean((score.argmax(axis=1) == truth).astype(float))


Metric = Callable[[Values, Values], Estimate]
LOWER_IS_BETTER = ("log_loss", "brier", "mae", "rmse")


def named(kind: str, threshold: float) -> dict[str, Metric]:
    """The metrics of a kind of task, in the order in which a report shows them.

    Args:
        kind: with `multiclass` a truth is the index of a class and scores have the shape
            (rows, classes).
    """

    def accuracy(truth: Values, score: Values) -> Estimate:
        return mean(((score >= threshold) == (truth == 1)).astype(float))

    if kind == "regression":
        return {"mae": mae, "rmse": rmse, "r2": r2}
    if kind == "multiclass":
        return {
            "roc_auc": macro_roc_auc,
            "log_loss": log_losses,
            "brier": briers,
            "accuracy": accuracies,
        }
    return {
        "roc_auc": roc_auc,
        "average_precision": average_precision,
        "log_loss": log_loss,
        "brier": brier,
        "accuracy": accuracy,
    }


def effective(size: Codes) -> float:
    """How many clusters of equal size carry as much as those of these sizes (Kish 1965)."""
    return float(size.sum() ** 2 / (size.astype(float) ** 2).sum())


class Spread(NamedTuple):
    """The standard error of an estimate, and the degrees of freedom of its t distribution."""

    error: float
    freedom: float

    def quantile(self, probability: float) -> float:
        return float(stdtrit(self.freedom, probability)) * self.error

    def below(self, value: float) -> float:
        """The chance to see no more than this value where the truth is 0."""
        if not self.error:
            return float(value >= 0)
        return float(stdtr(self.freedom, value / self.error))


def spread(sums: Values, size: Codes) -> Spread:
    """How far an estimate strays; infinitely where a single cluster says nothing about it.

    Args:
        sums: the influence of each cluster, shape (clusters,).
        size: its rows, shape (clusters,).
    """
    clusters = len(sums)
    if clusters < 2:
        return Spread(float("inf"), 1)
    error = float(np.sqrt(clusters / (clusters - 1) * (sums**2).sum()))
    return Spread(error, max(effective(size) - 1, 1))


def interval(estimate: Estimate, cluster: Codes, confidence: float) -> Interval:
    """The estimate's interval; infinite where there is but one cluster.

    Args:
        cluster: shape (rows,), codes from 0 without gaps.
        confidence: such as 0.95.
    """
    sums = np.asarray(np.bincount(cluster, weights=estimate.influence), dtype=np.float64)
    half = spread(sums, np.bincount(cluster)).quantile(0.5 + confidence / 2)
    return Interval(estimate.value, estimate.value - half, estimate.value + half)


def difference(now: Estimate, base: Estimate) -> Estimate:
    """Two models on the same rows: what they share cancels row by row."""
    return Estimate(now.value - base.value, now.influence - base.influence)


DIGITS = 8
"""Significant digits in every file: the last bits of a float may differ between machines."""


def plain(value: float) -> float | None:
    """A number that JSON can hold; None where the rows cannot say."""
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
