"""A model in the champion's shadow: on the same rows, whose decisions change, by how much the
scores differ, and where.

The rows are those of the comparison: held out from both, and in a table with time the newest. A
decision is a side of the threshold, or the likeliest class. A predicted number is another one when
it moves by more than a fifth of the truth's standard deviation, a small effect (Cohen 1988).

Shares have the interval of Korn & Graubard (1998): the exact one of Clopper & Pearson (1934), of as
many independent rows as the clusters are worth.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

from .metrics import Codes, Estimate, Values, mean, plain, spread
from .params import Gate, Task
from .predictions import Part, Rows, Summed

SMALL = 0.2
"""Standard deviations of the truth."""

BARS = 11
"""Of the histogram; odd, so that one is around 0."""

MOST, MOVES = 12, 3
"""The most slices, and the most changes from one class to another, that are listed."""

QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)
HUGE = 1e300


def measure(rows: Rows, champion: str, task: Task, gate: Gate) -> dict[str, Any]:
    """What `shadow` of `comparison.json` holds.

    Args:
        champion: whose scores are the champion's, `base` or `production`.
        gate: its confidence, and the rows that a slice must have, are taken.
    """
    now, then = rows.scores["now"], rows.scores[champion]
    limit = SMALL * float(rows.truth.std()) if task.kind == "regression" else task.threshold
    ordered = task.kind != "multiclass"
    step = steps(now, then, task.kind, limit)
    change = step != 0
    flagged = replace(rows, scores={"changed": flag(change), "up": flag(step > 0)})
    known = slices(flagged, ordered, gate)
    return {
        "against": champion,
        "limit": plain(limit) if ordered else None,
        **changed(flagged.whole, ordered, gate.confidence),
        "right": int((change & right(rows.truth, now, then, task)).sum()),
        "right_before": int((change & right(rows.truth, then, now, task)).sum()),
        "moves": [] if ordered else moves(now, then),
        **differences(*compared(now, then)),
        "slices": known[:MOST],
        "slices_judged": len(known),
    }


def steps(now: Values, then: Values, kind: str, limit: float) -> Values:
    """Which way each decision goes: 1 is up, -1 down, 0 nowhere; of many classes 1 is another one.

    Args:
        limit: the threshold of a binary task, the smallest move that counts in a regression.
    """
    if kind == "multiclass":
        return flag(now.argmax(axis=1) != then.argmax(axis=1))
    if kind == "binary":
        return flag(now >= limit) - flag(then >= limit)
    moved = less(now, then)
    return np.sign(moved) * flag(np.abs(moved) > limit)


def flag(chosen: NDArray[np.bool_]) -> Values:
    return chosen.astype(np.float64)


def right(truth: Values, score: Values, other: Values, task: Task) -> NDArray[np.bool_]:
    """Where a decision is the truth; where a predicted number is nearer to it than the other."""
    if task.kind == "multiclass":
        return np.asarray(score.argmax(axis=1) == truth)
    if task.kind == "binary":
        return np.asarray((score >= task.threshold) == (truth == 1))
    return np.asarray(np.abs(less(score, truth)) < np.abs(less(other, truth)))


def less(one: Values, other: Values) -> Values:
    """A difference, finite also where floats end."""
    with np.errstate(over="ignore"):
        return np.clip(one - other, -HUGE, HUGE)


def changed(part: Part, ordered: bool, confidence: float) -> dict[str, Any]:
    """How many decisions change, their share with its interval, and the share that goes up."""
    found = part.measure(share, "changed")
    low, high = interval(found, part.size, confidence)
    return {
        "rows": len(part.truth),
        "clusters": len(part.first),
        "changed": int(part.scores["changed"].sum()),
        "share": plain(found.value),
        "low": None if low is None else plain(low),
        "high": None if high is None else plain(high),
        "up": plain(part.measure(share, "up").value) if ordered else None,
    }


def share(_: Values, flags: Values) -> Estimate:
    """The share of flagged rows, as a metric."""
    return mean(flags)


def interval(
    found: Summed, size: Codes, confidence: float
) -> tuple[float, float] | tuple[None, None]:
    """A share's interval; none where all or no rows have it, or there is but one cluster.

    Args:
        size: the rows of each cluster.
    """
    value, rows = found.value, int(size.sum())
    own = spread(found.sums, size)
    if not (0 < value < 1 and np.isfinite(own.error)):
        return None, None
    tail = (1 - confidence) / 2
    worth = value * (1 - value) / max(own.error**2, value * (1 - value) / rows)
    worth *= float(stdtrit(rows - 1, tail) / stdtrit(own.freedom, tail)) ** 2
    hits = value * worth
    low = betaincinv(hits, worth - hits + 1, tail)
    return float(low), float(betaincinv(hits + 1, worth - hits, 1 - tail))


def slices(flagged: Rows, ordered: bool, gate: Gate) -> list[dict[str, Any]]:
    """The same for each large enough group of each slice column, the most changed first."""
    found = []
    for column, groups in flagged.slices.items():
        large = np.bincount(groups.code, minlength=len(groups.names)) >= gate.min_slice_rows
        for code, part in flagged.parts(groups, large):
            one = {"slice": column, "group": groups.names[code]}
            found.append(one | changed(part, ordered, gate.confidence))
    return sorted(found, key=lambda one: (-one["share"], one["slice"], one["group"]))


def moves(now: Values, then: Values) -> list[dict[str, int]]:
    """The commonest changes from one class to another."""
    classes = now.shape[1]
    joint = then.argmax(axis=1) * classes + now.argmax(axis=1)
    count = np.bincount(joint, minlength=classes**2).reshape(classes, classes)
    np.fill_diagonal(count, 0)
    order = np.argsort(-count, axis=None, kind="stable")[:MOVES]
    ends = [(*map(int, divmod(place, classes)), int(count.flat[place])) for place in order]
    return [{"from": a, "to": b, "rows": rows} for a, b, rows in ends if rows]


def compared(now: Values, then: Values) -> tuple[Values, Values]:
    """Scores, or of many classes the chances of the one that the champion takes."""
    if now.ndim == 1:
        return now, then
    taken = then.argmax(axis=1)[:, None]
    chances = (np.take_along_axis(each, taken, axis=1)[:, 0] for each in (now, then))
    return next(chances), next(chances)


def differences(now: Values, then: Values) -> dict[str, Any]:
    """How the scores differ, now less the champion's: quantiles, rank correlation, histogram."""
    moved = less(now, then)
    found = np.quantile(moved, QUANTILES)
    return {
        "mean": plain(float(moved.mean())),
        "quantiles": dict(zip(map(str, QUANTILES), map(plain, found), strict=True)),
        "largest": plain(float(np.abs(moved).max())),
        "rank_correlation": ranked(now, then),
        **histogram(moved),
    }


def ranked(now: Values, then: Values) -> float | None:
    """Spearman's rank correlation; None where all scores of one side are equal."""
    one, other = rank(now), rank(then)
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return plain(float(one @ other) / scale) if scale else None


def rank(values: Values) -> Values:
    """Each value's place in their order, from the middle; equal ones share a place."""
    _, level, size = np.unique(values, return_inverse=True, return_counts=True)
    place = np.cumsum(size) - size / 2 - len(values) / 2
    return np.asarray(place[level], dtype=np.float64)


def histogram(moved: Values) -> dict[str, Any]:
    """Rows by difference, in bars around 0 and its multiples of a round width.

    The bars reach to where 99 of 100 rows are; the first and the last hold those beyond too.
    """
    size = np.abs(moved)
    far = float(np.quantile(size, 0.99)) or float(size.max())
    if far < 1 / HUGE:
        return {"width": None, "bars": []}
    width, half = rounded(far / (BARS / 2)), BARS // 2
    place = np.clip(np.rint(moved / width), -half, half).astype(np.intp) + half
    return {"width": plain(width), "bars": np.bincount(place, minlength=BARS).tolist()}


def rounded(size: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(size))
    return float(next(s * power for s in (1, 2, 5, 10) if s * power >= size * (1 - 1e-9)))
