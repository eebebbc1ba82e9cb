"""Two models on the same rows: what differs, how sure that is, and where.

The difference of two metrics has the difference of their influences; summed by cluster they give
its standard error. Slices are judged one-sided, with Holm's correction over all of them: of the
corrections tried it alone kept its level with few clusters.

Sources: DeLong, DeLong & Clarke-Pearson (1988); Obuchowski (1997); Holm (1979).
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .metrics import Codes, Metric, Spread, plain, spread
from .params import Gate
from .predictions import Groups, Rows, Summed

POWER = 0.8
SMALL = 50
"""The most slices of a column that are listed though they are too small to be judged."""

Result = Literal["better", "worse", "unclear", "small"]


@dataclass(frozen=True)
class Paired:
    """A metric of two models; the difference is now less base, whatever the metric's direction."""

    now: float
    base: float
    difference: float
    spread: Spread
    confidence: float

    @property
    def low(self) -> float:
        return self.tidy(self.difference - self.spread.quantile(0.5 + self.confidence / 2))

    @property
    def high(self) -> float:
        return self.tidy(self.difference + self.spread.quantile(0.5 + self.confidence / 2))

    @property
    def detectable(self) -> float:
        """The smallest margin that an equal model keeps in four of five cases."""
        both = self.spread.quantile(0.5 + self.confidence / 2) + self.spread.quantile(POWER)
        return self.tidy(both)

    def tidy(self, value: float) -> float:
        """Zero where there is nothing but the rounding of floats."""
        return 0.0 if abs(value) <= 1e-12 * max(abs(self.now), abs(self.base)) else value

    def gain(self, lower: bool) -> tuple[float, float, float]:
        """The difference and its interval, turned so that positive is better."""
        if lower:
            return -self.difference, -self.high, -self.low
        return self.difference, self.low, self.high

    def facts(self) -> dict[str, float | None]:
        names = ("now", "base", "difference", "low", "high", "detectable")
        return {name: plain(getattr(self, name)) for name in names}


@dataclass(frozen=True)
class Slice:
    """A group of the rows; `p` is None where they are too few."""

    column: str
    group: str
    rows: int
    clusters: int
    paired: Paired
    p: float | None
    result: Result

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = {"slice": self.column, "group": self.group}
        found |= {"rows": self.rows, "clusters": self.clusters, **self.paired.facts()}
        if self.result == "small":
            found |= {"low": None, "high": None, "detectable": None}
        return found | {"p": None if self.p is None else plain(self.p), "result": self.result}


def pair(now: Summed, base: Summed, size: Codes, confidence: float) -> Paired:
    """Compare a metric of two models.

    Args:
        size: the rows of each cluster.
    """
    difference, sums = now.value - base.value, now.sums - base.sums
    scale = 1e-12 * max(abs(now.value), abs(base.value))
    found = spread(sums, size)
    if found.error <= scale:
        found = Spread(0.0, found.freedom)
    return Paired(
        now.value, base.value, 0.0 if abs(difference) <= scale else difference, found, confidence
    )


def slices(
    rows: Rows, metric: Metric, lower: bool, gate: Gate, classes: int
) -> dict[str, list[Slice]]:
    """The headline metric in each group of each slice column, against each other table.

    Args:
        lower: whether low values of the metric are good.
        classes: how many there are; 0 in a regression.
    """
    found: dict[str, list[Slice]] = {name: [] for name in rows.scores if name != "now"}
    for column, groups in rows.slices.items():
        judged = large(rows, groups, gate, classes)
        for code, part in rows.parts(groups, judged | shown(groups.code, judged)):
            enough = bool(judged[code]) and len(part.first) >= gate.min_slice_clusters
            now = part.measure(metric, "now")
            for name, so_far in found.items():
                paired = pair(now, part.measure(metric, name), part.size, gate.confidence)
                size = len(part.truth), len(part.first)
                result: Result = "unclear" if enough and np.isfinite(paired.low) else "small"
                so_far.append(Slice(column, groups.names[code], *size, paired, None, result))
    return {name: decide(group, lower, gate) for name, group in found.items()}


def large(rows: Rows, groups: Groups, gate: Gate, classes: int) -> NDArray[np.bool_]:
    """The groups with enough rows in all and of each class."""
    count = len(groups.names)
    found = np.bincount(groups.code, minlength=count) >= gate.min_slice_rows
    if classes:
        joint = groups.code * classes + rows.truth.astype(np.intp)
        each = np.bincount(joint, minlength=count * classes).reshape(count, classes)
        found &= each.min(axis=1) >= gate.min_slice_class
    return found


def shown(code: Codes, judged: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest of the groups that are not judged."""
    size = np.where(judged, 0, np.bincount(code, minlength=len(judged)))
    chosen = np.zeros(len(judged), bool)
    chosen[np.argsort(-size, kind="stable")[:SMALL]] = True
    return chosen & (size > 0)


def decide(found: list[Slice], lower: bool, gate: Gate) -> list[Slice]:
    """Which slices are worse by more than the margin, or better; the whole family's level is that
    of one side of an interval."""
    level = (1 - gate.confidence) / 2
    judged = [each for each in found if each.result != "small"]
    falls = holm([each.paired.spread.below(each.paired.gain(lower)[0]) for each in judged])
    rises = holm([each.paired.spread.below(-each.paired.gain(lower)[0]) for each in judged])
    results: dict[int, Slice] = {}
    for each, fall, rise in zip(judged, falls, rises, strict=True):
        worse = fall <= level and each.paired.gain(lower)[0] < -gate.margin
        result: Result = "worse" if worse else "better" if rise <= level else "unclear"
        results[id(each)] = replace(each, p=fall, result=result)
    return [results.get(id(each), each) for each in found]


def holm(p: list[float]) -> list[float]:
    """The p values, corrected for their number (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    factor = np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(factor * np.asarray(p)[order]), 1)
    return [float(value) for value in corrected]
