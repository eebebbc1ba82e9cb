"""Whole clusters change sides: does a batch differ from its reference by more than days differ?

Rows of one day share their luck, so days are permuted, not rows. Every test is held against the
law of the largest of all tests (Westfall & Young 1993), so many columns raise no more false alarms
than one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Counts = NDArray[np.float32]
"""Rows of each cluster, test and bin; the current batch's clusters come last."""
Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

LAGS, LONGEST = 14, 0.95
"""Of the variance inflation; chosen on first-order autoregressive days."""
PROBES = 200
TESTS_AT_ONCE = 50


@dataclass(frozen=True)
class Judged:
    """What the permutations say of each test, shape (tests,) each.

    Args:
        distance: sqrt(sum((p - q)^2 / pooled)) between the batch's shares and the others'.
        p: family-wise.
        limit: the distance from which `p` would be at most the level.
        effect: the distance beyond what days alone give.
        inflation: by how much autocorrelation raises the variance of a batch's mean.
        noise: the squared distance that days alone give, before the inflation.
    """

    distance: Floats
    p: Floats
    limit: Floats
    effect: Floats
    inflation: Floats
    noise: Floats


@dataclass(frozen=True)
class Memory:
    """How much clusters resemble those before them.

    Args:
        inflation: by how much that raises the variance of a batch's difference, shape (tests,).
        freedom: how many independent clusters would tell that variance as well.
    """

    inflation: Floats
    freedom: float = math.inf

    def widening(self, level: float) -> float:
        """How much further than of a known variance the family-wise limit is, as Student's."""
        tail = level / (2 * len(self.inflation))
        return float(stdtrit(self.freedom, tail) / ndtri(tail)) if self.freedom < math.inf else 1.0


def smallest(strata: Ints, current: int) -> float:
    """The smallest p that so many clusters can give: one over the number of exchanges."""
    drawn = strata[len(strata) - current :]
    sizes = ((np.sum(strata == s), np.sum(drawn == s)) for s in np.unique(drawn))
    return 1 / math.prod(math.comb(int(size), int(count)) for size, count in sizes)


def selections(strata: Ints, current: int, draws: int, seed: int) -> NDArray[np.float32]:
    """Which clusters are taken for the batch, shape (1 + draws, clusters); row 0 is the truth.

    Each draw keeps the batch's number of clusters of each stratum.
    """
    rng = np.random.default_rng(seed)
    truth = np.zeros(len(strata), bool)
    truth[len(strata) - current :] = True
    chosen = np.zeros((1 + draws, len(strata)), np.float32)
    chosen[0] = truth
    for stratum in np.unique(strata[truth]):
        place = np.flatnonzero(strata == stratum)
        count = int(truth[place].sum())
        order = rng.random((draws, len(place))).argsort(axis=1)[:, :count]
        chosen[1 + np.arange(draws)[:, None], place[order]] = 1
    return chosen


def blocks(tests: int) -> Iterator[slice]:
    """Some tests at a time, so that memory does not grow with the columns."""
    return (slice(i, i + TESTS_AT_ONCE) for i in range(0, tests, TESTS_AT_ONCE))


def squares(
    chosen: NDArray[np.float32], counts: Counts, moved: Counts | None = None
) -> NDArray[np.float64]:
    """Squared distance of the chosen clusters to the others, shape (selections, tests).

    Args:
        moved: the counts that the chosen clusters have instead.
    """
    found = [
        apart(chosen, counts[:, part], None if moved is None else moved[:, part])
        for part in blocks(counts.shape[1])
    ]
    return np.concatenate(found, axis=1)


def apart(chosen: NDArray[np.float32], counts: Counts, moved: Counts | None) -> Floats:
    shape = (len(chosen), *counts.shape[1:])
    total = counts.sum(axis=0)
    inside = (chosen @ counts.reshape(len(counts), -1)).reshape(shape)
    outside = total - inside
    if moved is not None:
        inside = (chosen @ moved.reshape(len(counts), -1)).reshape(shape)
        total = inside + outside
    gap = share(inside) - share(outside)
    return np.asarray((gap * gap / share(total + np.float32(0.5))).sum(axis=-1), np.float64)


def share(counts: Counts) -> Counts:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1))


def memory(counts: Counts, strata: Ints, place: Ints, current: int) -> Memory:
    """How much autocorrelated clusters raise the variance of a batch's difference.

    Estimated from the autocorrelations of the first component of each test's shares. Each test's
    is an estimate from few clusters, so it is moved towards that of all tests together: by at most
    two of its standard errors upwards, and one downwards (Efron & Morris 1972). What is left of
    the doubt makes the limit wider: Student's, with half of the clusters' effective number,
    because the inflation is estimated from them too.

    Args:
        counts: of the reference alone.
        place: where each cluster stands in time; clusters may be missing between.
    """
    if current == 1:
        return Memory(np.ones(counts.shape[1]))
    shares = share(counts).astype(np.float64)
    for stratum in np.unique(strata):
        shares[strata == stratum] -= shares[strata == stratum].mean(axis=0)
    score = component(shares)
    grid = np.zeros((len(score), int(place.max()) + 1))
    known = np.zeros(grid.shape[1])
    grid[:, place], known[place] = score, 1
    lags = range(1, min(LAGS, grid.shape[1] - 2) + 1)
    if not lags:
        return Memory(np.ones(counts.shape[1]))
    found = np.stack([correlation(grid, known, lag) for lag in lags])
    moving = (grid * grid).sum(axis=1) > 1e-9
    mean = found[:, moving].mean(axis=1, keepdims=True) if moving.any() else found[:, :1]
    own, all_tests = (np.log(inflation(each, len(counts), current)) for each in (found, mean))
    error = math.sqrt(2 / 3 * min(current, LAGS + 1) / len(counts))
    raised = np.exp(own + np.clip(all_tests - own, -error, 2 * error))
    return Memory(raised, len(counts) / (2 + 4 * float((mean.clip(0) ** 2).sum())))


def inflation(found: Floats, clusters: int, current: int) -> Floats:
    """Of the difference of two means, by the autocorrelations at lags 1, 2 and on, (lags, tests).

    Args:
        clusters: of the older table; the newer has `current`.
    """
    parts = [1 / current, 1 / clusters]
    raised = [of_mean(found, clusters, size) for size in (current, clusters)]
    return np.asarray(sum(p * r for p, r in zip(parts, raised, strict=True)) / sum(parts))


def of_mean(found: Floats, clusters: int, size: int) -> Floats:
    """The inflation of the variance of one mean: the larger of two estimates, and at least one.

    The weighted sum of autocorrelations (Newey & West 1987; Kuensch 1989), and their geometric
    decay from lags 1 and 2.
    """
    some = found[: size - 1]
    weights = 1 - np.arange(1, len(some) + 1)[:, None] / size
    raised = np.maximum(1 + 2 * (weights * some).sum(axis=0), 1)
    if len(some) > 1:
        raised = np.maximum(raised, decay(some[0], some[1], clusters, size))
    return np.asarray(raised)


def component(shares: Floats) -> Floats:
    """The first principal component of each test's shares, shape (tests, clusters)."""
    by_test = shares.transpose(1, 0, 2)
    _, axes = np.linalg.eigh(by_test.transpose(0, 2, 1) @ by_test)
    return np.asarray((by_test @ axes[:, :, -1:])[:, :, 0])


def correlation(grid: Floats, known: Floats, lag: int) -> Floats:
    """The autocorrelation at a lag, its bias of one over the pairs taken off."""
    pairs = known[lag:] @ known[:-lag]
    if not pairs:
        return np.zeros(len(grid))
    spread = (grid * grid).sum(axis=1) / known.sum() + 1e-12
    return np.asarray((grid[:, lag:] * grid[:, :-lag]).sum(axis=1) / pairs / spread + 1 / pairs)


def decay(first: Floats, second: Floats, clusters: int, current: int) -> Floats:
    """The inflation if correlation decays geometrically from lag 1 on, as lags 1 and 2 say."""
    sure = first > 2 / math.sqrt(clusters)
    rate = np.where(sure, second / np.maximum(first, 1e-3), 0).clip(0, LONGEST)
    lag = np.arange(1, current)[:, None]
    terms = (1 - lag / current) * np.where(rate > 0, first, 0) * rate ** (lag - 1)
    return np.asarray(1 + 2 * terms.sum(axis=0))


@dataclass(frozen=True)
class Law:
    """What distances come about by chance: mean and spread of each test, the largest of all."""

    mean: Floats
    spread: Floats
    largest: Floats
    squared: Floats

    def p(self, distance: Floats) -> Floats:
        """The family-wise p of each distance; the truth counts as one of the draws."""
        z = (distance - self.mean) / self.spread
        law = np.append(self.largest, z.max())
        return np.array([(law >= each - 1e-6).mean() for each in z])

    def limit(self, level: float) -> Floats:
        return self.mean + self.spread * np.quantile(self.largest, 1 - level)


def law(squared: Floats) -> Law:
    """The law of drawn distances, (draws, tests)."""
    distance = np.sqrt(squared)
    mean, spread = distance.mean(axis=0), distance.std(axis=0) + 1e-12
    return Law(mean, spread, ((distance - mean) / spread).max(axis=1), squared.mean(axis=0))


def judge(
    counts: Counts, strata: Ints, chosen: NDArray[np.float32], memory: Memory, level: float
) -> Judged:
    """Hold each test's distance against two laws of the largest over all tests; both must agree.

    The first exchanges clusters of both tables: exact where clusters are independent. The second
    draws batches from the reference alone, so that a true shift does not widen it, and raises its
    distances by the inflation: it answers for clusters that resemble the one before.

    Args:
        chosen: as `selections` gives it.
    """
    squared = squares(chosen, counts)
    distance, exchanged = np.sqrt(squared[0]), law(squared[1:])
    alone = within(counts, strata, int(chosen[0].sum()), len(chosen) - 1)
    p, limit = exchanged.p(distance), exchanged.limit(level)
    noise, raised = exchanged.squared, memory.inflation
    if alone is not None:
        root = np.sqrt(raised) * memory.widening(level)
        p = np.maximum(p, alone.p(distance / root))
        limit = np.maximum(limit, alone.limit(level) * root)
        noise = alone.squared
    effect = np.sqrt(np.clip(squared[0] - raised * noise, 0, None))
    return Judged(distance, p, limit, effect, raised, noise)


def within(counts: Counts, strata: Ints, current: int, draws: int) -> Law | None:
    """The law of batches that are drawn from the reference alone; None where it has one cluster.

    At most half of it is drawn, and distances are brought to the batch's number of clusters.
    """
    size = len(counts) - current
    drawn = min(current, size // 2)
    if not drawn:
        return None
    squared = squares(selections(strata[:size], drawn, draws, 0)[1:], counts[:size])
    return law(squared * (1 / current + 1 / size) / (1 / drawn + 1 / (size - drawn)))


def power(counts: Counts, moved: Counts, chosen: NDArray[np.float32], limit: Floats) -> Floats:
    """The share of drawn batches whose clusters, moved, would be beyond the limit, (tests,)."""
    drawn = chosen[1 : 1 + PROBES]
    return np.asarray((np.sqrt(squares(drawn, counts, moved)) > limit).mean(axis=0))


def past(counts: Counts, windows: Ints, strata: Ints, raised: Floats, seed: int) -> Floats:
    """The effect of each earlier window against all others, shape (windows, tests).

    Args:
        windows: the window of each cluster, from 0; -1 belongs to none and is among the others.
    """
    names = np.unique(windows[windows >= 0])
    chosen = np.stack([windows == name for name in names]).astype(np.float32)
    order = np.argsort(windows == names[-1], kind="stable")
    drawn = selections(strata[order], int(chosen[-1].sum()), PROBES, seed)[1:]
    noise = squares(drawn, counts[order]).mean(axis=0)
    return np.asarray(np.sqrt(np.clip(squares(chosen, counts) - raised * noise, 0, None)))
