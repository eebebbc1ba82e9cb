"""How differently a model treats the groups of a sensitive column, and how sure that is.

A gap is the largest value of a rate among the groups less the smallest (or the smallest as a share
of the largest), as Fairlearn has it (Bird et al. 2020): demographic parity of the rate at which
rows are called positive, and equal opportunity of the rate at which positive rows are (Hardt, Price
& Srebro 2016). A regression has the mean absolute error of each group, a multiclass task the
accuracy. Intervals sum influences over clusters, as those of all metrics do; they know nothing of
the choice of the two groups, so where there are many groups the gaps look larger than they are.
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from . import metrics
from .metrics import Codes, Estimate, Values, plain
from .params import Params, Task

GAPS = {
    "binary": {
        "demographic_parity_difference": "selection_rate",
        "demographic_parity_ratio": "selection_rate",
        "equal_opportunity_difference": "true_positive_rate",
    },
    "regression": {"mae_difference": "mae"},
    "multiclass": {"accuracy_difference": "accuracy"},
}
"""Each gap of a kind of task, and the rate in which the groups differ."""


class Group(NamedTuple):
    """The rows of a group on which a rate stands, and what each does to it."""

    name: str
    rows: Codes
    estimate: Estimate


def measure(rows: pl.DataFrame, params: Params) -> list[dict[str, Any]]:
    """Each sensitive column: the rates of its groups with n, and the gaps between them.

    Args:
        rows: the columns cluster, truth, score and the sensitive ones.

    Returns:
        A list: names of columns and groups are a stranger's, and no keys.
    """
    return [judge(name, rows, params) for name in params.evaluate.sensitive]


def judge(column: str, rows: pl.DataFrame, params: Params) -> dict[str, Any]:
    options = params.evaluate
    cluster = rows["cluster"].rank("dense").to_numpy()
    losses = rates(rows["truth"].to_numpy(), rows["score"].to_numpy(), params.task)
    found: dict[str, list[Group]] = {name: [] for name in losses}
    groups, small = [], {"groups": 0, "rows": 0}
    for name, part in parts(rows[column]):
        if len(part) < options.min_slice_rows:
            small = {"groups": small["groups"] + 1, "rows": small["rows"] + len(part)}
            continue
        told: dict[str, Any] = {"group": name, "rows": len(part)}
        for rate, loss in losses.items():
            own = part[np.isfinite(loss[part])]
            told[rate] = {"rows": len(own), "value": None, "low": None, "high": None}
            if len(own) >= options.min_slice_rows:
                group = Group(name, own, metrics.mean(loss[own]))
                found[rate].append(group)
                told[rate] |= interval(group.estimate, cluster[own], options.confidence)
        groups.append(told)
    wanted = GAPS[params.task.kind].items()
    gaps = [gap(name, found[rate], cluster, options.confidence) for name, rate in wanted]
    return {"column": column, "groups": groups, "small": small, "gaps": gaps}


def parts(column: pl.Series) -> list[tuple[str, Codes]]:
    """The names of the groups, and the places of their rows; a missing value is a group."""
    names = column.cast(pl.String).fill_null("missing").to_numpy()
    known, code = np.unique(names.astype(str), return_inverse=True)
    ends = np.cumsum(np.bincount(code, minlength=len(known)))[:-1]
    return list(zip(known.tolist(), np.split(np.argsort(code, kind="stable"), ends), strict=True))


def rates(truth: Values, score: Values, task: Task) -> dict[str, Values]:
    """What each row adds to each rate, shape (rows,); NaN where it does not count."""
    if task.kind == "regression":
        return {"mae": np.abs(score - truth)}
    if task.kind == "multiclass":
        return {"accuracy": (score.argmax(axis=1) == truth).astype(float)}
    chosen = (score >= task.threshold).astype(float)
    return {
        "selection_rate": chosen,
        "true_positive_rate": np.where(truth == 1, chosen, np.nan),
    }


def gap(name: str, groups: list[Group], cluster: Codes, confidence: float) -> dict[str, Any]:
    """How far the groups are apart; nothing is known of less than two."""
    found: dict[str, Any] = {"name": name, "value": None, "low": None, "high": None}
    if len(groups) < 2:
        return found | {"highest": None, "lowest": None}
    high = max(groups, key=lambda group: group.estimate.value)
    low = min((group for group in groups if group is not high), key=lambda g: g.estimate.value)
    between = ratio if name.endswith("ratio") else difference
    both = between(high.estimate, low.estimate)
    found |= {"highest": high.name, "lowest": low.name}
    return found | interval(both, cluster[np.r_[high.rows, low.rows]], confidence)


def difference(high: Estimate, low: Estimate) -> Estimate:
    """Of groups that share clusters and no row."""
    return Estimate(high.value - low.value, np.r_[high.influence, -low.influence])


def ratio(high: Estimate, low: Estimate) -> Estimate:
    """The smaller rate as a share of the larger one, by the delta method."""
    if not high.value:
        return Estimate(float("nan"), np.r_[high.influence, low.influence])
    share = low.value / high.value
    return Estimate(share, np.r_[-share * high.influence, low.influence] / high.value)


def interval(estimate: Estimate, cluster: Codes, confidence: float) -> dict[str, float | None]:
    """Value, low and high; there are no ends where one cluster is all there is."""
    own = np.unique(cluster, return_inverse=True)[1]
    found = metrics.interval(estimate, own, confidence)
    return {key: plain(value) for key, value in found._asdict().items()}
