"""One column of two tables: its values in bins, counted by cluster, and in a reader's words."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .permutation import Counts, Floats, Ints

LEVELS, DECILES, ZEROS = 20, 10, 0.05
WIDTH = LEVELS + 2
"""Bins of a test: the levels, the other levels, the missing."""

SHIFT = 0.5
"""Standard deviations of the shift that each column is probed with."""

UNEVEN = 1.1
"""How many times as large clusters of one table may be before as few are drawn from them."""

DRAWN, NAMED, PROBED = 12, 5, 20_000
LONGEST = 200

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Coded:
    """A column that can be judged.

    Args:
        counts: shape (clusters, bins), the reference's clusters first.
        missing: the same for "is missing", shape (clusters, 2); None where nothing is missing.
        moved: `counts` after a shift of half a standard deviation; None for a constant.
        icc: the share of its variance that is between clusters; None where that is unknown.
    """

    kind: str
    counts: Counts
    missing: Counts | None
    moved: Counts | None
    icc: float | None
    change: dict[str, Any] | None
    shape: dict[str, Any]
    levels: dict[str, Any] | None


@dataclass(frozen=True)
class Sides:
    """Where both tables' rows stand, the reference's first.

    Args:
        code: the cluster of each row.
        old: the reference's rows.
        first: the reference's clusters.
        clusters: of both tables.
    """

    code: Ints
    old: int
    first: int
    clusters: int

    def count(self, bins: Ints, width: int, kept: Bool | None = None) -> Counts:
        """Rows by cluster and bin; of tables whose clusters differ in size, as many of each."""
        taken = self.even if kept is None else self.evened(kept)
        joint = (self.code * width + bins)[taken]
        found = np.bincount(joint, minlength=self.clusters * width)
        return found.reshape(self.clusters, width).astype(np.float32)

    @cached_property
    def even(self) -> Bool:
        return self.evened(np.ones(len(self.code), bool))

    def evened(self, kept: Bool) -> Bool:
        """Of these rows so many that clusters of both tables have about one size.

        Shares of few rows are noisier, and only what is as noisy may change places.
        """
        size = np.bincount(self.code[kept], minlength=self.clusters)
        means = [part.mean() if len(part) else 0.0 for part in np.split(size, [self.first])]
        if not min(means) or max(means) <= UNEVEN * min(means):
            return kept
        share = np.repeat(min(means) / np.array(means), [self.first, self.clusters - self.first])
        wanted = np.maximum(np.round(size * share), 1)
        rows = np.flatnonzero(kept)
        drawn = np.random.default_rng(0).random(len(rows))
        order = rows[np.lexsort((drawn, self.code[rows]))]
        rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
        taken = np.zeros(len(kept), bool)
        taken[order[rank < wanted[self.code[order]]]] = True
        return taken


def numeric(values: pl.Series) -> bool:
    kind = values.dtype
    return kind.is_numeric() or (kind.is_temporal() and kind != pl.Time) or kind == pl.Null


def judgeable(*columns: pl.Series) -> str | None:
    """Why values of such a type cannot be put into bins; None where they can."""
    for column in columns:
        if column.dtype.is_nested() or column.dtype in (pl.Object, pl.Binary):
            return f"its type is {column.dtype}, which has no bins"
    return None


def code(reference: pl.Series, current: pl.Series, sides: Sides, labels: bool) -> Coded:
    """Put a column's values into bins that both tables share.

    Numbers: ten bins of equally many rows, a bin of its own for each value that many rows have and
    for zero, one for missing values. Everything else: the twenty most frequent values, the others,
    the missing.

    Args:
        labels: missing values are not there yet: they are left out, and their share is no drift.
    """
    old, new = alike(reference, current)
    if numeric(old) and numeric(new):
        with np.errstate(over="ignore", invalid="ignore"):  # squares of numbers beyond 1e154
            return code_numbers(floats(old), floats(new), sides, labels)
    return code_words(words(old), words(new), sides, labels)


def alike(*columns: pl.Series) -> list[pl.Series]:
    """Numbers on one side and text on the other: all as numbers where the text holds nothing else,
    or all as text in which a number is the word for it."""
    if len({numeric(column) for column in columns}) == 1:
        return list(columns)
    parsed = [
        column if numeric(column) else column.cast(pl.String).cast(pl.Float64, strict=False)
        for column in columns
    ]
    if all(a.null_count() == b.null_count() for a, b in zip(columns, parsed, strict=True)):
        return parsed
    return [
        pl.select(
            pl.when(number.is_not_null())
            .then(pl.lit("a number"))
            .otherwise(pl.lit(None, pl.String) if numeric(column) else column.cast(pl.String))
        ).to_series()
        for column, number in zip(columns, parsed, strict=True)
    ]


def floats(values: pl.Series) -> Floats:
    if values.dtype.is_temporal():
        values = values.to_physical()
    return values.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def words(values: pl.Series) -> pl.Series:
    return values.cast(pl.String)


def code_numbers(reference: Floats, current: Floats, sides: Sides, labels: bool) -> Coded:
    values = np.concatenate([reference, current])
    known = ~np.isnan(values)
    points = breakpoints(values[known])
    bins = np.searchsorted(points, values, side="left")
    bins[~known] = WIDTH - 1
    finite = np.where(np.isfinite(values), values, np.nan)
    spread = deviation(finite)
    moved = None
    if spread:
        some = np.flatnonzero(known)[:: max(1, int(known.sum()) // PROBED)]
        after = np.searchsorted(points, values[some] + SHIFT * spread, side="left")
        moved = transition(bins[some], after)
    old = np.arange(len(values)) < sides.old
    return finish(
        "numeric",
        bins,
        known,
        sides,
        labels,
        moved,
        icc(finite, sides, old & np.isfinite(values)),
        moments(finite[: sides.old], finite[sides.old :], spread),
        histogram(finite, sides.old),
        None,
    )


def breakpoints(values: Floats) -> Floats:
    """Where bins end: deciles; a value that several of them share has a bin of its own."""
    if not len(values):
        return np.zeros(0)
    levels = np.arange(1, DECILES) / DECILES
    edges, times = np.unique(np.quantile(values, levels, method="inverted_cdf"), return_counts=True)
    alone = list(edges[times > 1])
    if (values == 0).mean() >= ZEROS:
        alone.append(0.0)
    below = np.nextafter(np.array(alone), -np.inf)
    return np.unique(np.concatenate([edges, alone, below]))


def deviation(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) and known.min() < known.max() else 0.0


def transition(before: Ints, after: Ints) -> Floats:
    """The share of each bin's rows that a shift brings into each other bin."""
    found = np.bincount(before * WIDTH + after, minlength=WIDTH * WIDTH).reshape(WIDTH, WIDTH)
    sums = found.sum(axis=1, keepdims=True)
    return np.where(sums > 0, found / np.maximum(sums, 1), np.eye(WIDTH))


def code_words(reference: pl.Series, current: pl.Series, sides: Sides, labels: bool) -> Coded:
    values = pl.concat([reference.rename("value"), current.rename("value")])
    frequent = ranked(values)
    names = frequent["value"].head(LEVELS)
    places = pl.DataFrame({"value": names, "bin": np.arange(len(names))})
    joined = values.to_frame().join(places, on="value", how="left", maintain_order="left")["bin"]
    known = values.is_not_null().to_numpy()
    bins = joined.fill_null(LEVELS).to_numpy().astype(np.intp)
    bins[~known] = WIDTH - 1
    old = np.arange(len(values)) < sides.old
    first = np.where(known, (bins == 0).astype(float), np.nan)
    rows = int(known.sum())
    return finish(
        "categorical",
        bins,
        known,
        sides,
        labels,
        shifted(float(np.nansum(first)) / rows) if len(frequent) > 1 else None,
        icc(first, sides, old & known),
        shares(bins, known, sides.old, names),
        bars(bins, known, sides.old, names, len(frequent)),
        unseen(reference, current),
    )


def ranked(values: pl.Series) -> pl.DataFrame:
    """Values and their counts, the most frequent first; equal ones by their names."""
    found = values.drop_nulls().value_counts(name="rows")
    return found.sort("rows", "value", descending=[True, False])


def shifted(top: float) -> Floats:
    """A transition that moves the share of the most frequent value by half a standard deviation."""
    moved = np.eye(WIDTH)
    step = SHIFT * (top * (1 - top)) ** 0.5
    if top + step <= 1:
        part = step / (1 - top)
        moved[1 : LEVELS + 1] *= 1 - part
        moved[1 : LEVELS + 1, 0] = part
    else:
        moved[0, :2] = 1 - step / top, step / top
    return moved


def unseen(reference: pl.Series, current: pl.Series) -> dict[str, Any]:
    """Values that the reference does not have: how many, of how many rows, and some of them."""
    rows = ranked(current.rename("value"))
    known = reference.rename("value").unique().to_frame()
    new = rows.join(known, on="value", how="anti", maintain_order="left")
    names = [name[:LONGEST] for name in new["value"].head(NAMED)]
    return {"values": new.height, "rows": int(new["rows"].sum()), "named": names}


def finish(
    kind: str,
    bins: Ints,
    known: Bool,
    sides: Sides,
    labels: bool,
    moved: Floats | None,
    between: float | None,
    change: dict[str, Any] | None,
    shape: dict[str, Any],
    levels: dict[str, Any] | None,
) -> Coded:
    counts = sides.count(bins, WIDTH, known if labels else None)
    missing = None
    if not labels and not known.all():
        missing = sides.count(known.astype(np.intp), 2)
        change = change and change | {"missing": gone(known, sides.old)}
    after = None if moved is None else (counts @ moved).astype(np.float32)
    return Coded(kind, counts, missing, after, between, change, shape, levels)


def gone(known: Bool, old: int) -> list[float | None]:
    """The share of missing values in both tables."""
    return [float((~side).mean()) if len(side) else None for side in (known[:old], known[old:])]


def icc(values: Floats, sides: Sides, kept: Bool) -> float | None:
    """The share of the variance that is between clusters, by analysis of variance."""
    code, found = sides.code[kept], values[kept]
    size = np.bincount(code, minlength=1).astype(float)
    inside = size > 0
    groups, rows = int(inside.sum()), len(found)
    if groups < 2 or rows <= groups:
        return None
    found = found - found.mean()
    mean = np.bincount(code, found, minlength=len(size)) / np.maximum(size, 1)
    between = float((size * mean**2).sum()) / (groups - 1)
    within = max(float((found**2).sum() - (size * mean**2).sum()), 0.0) / (rows - groups)
    typical = (rows - float((size**2).sum()) / rows) / (groups - 1)
    total = between + (typical - 1) * within
    return max(0.0, (between - within) / total) if total > 0 else None


def moments(reference: Floats, current: Floats, spread: float) -> dict[str, Any] | None:
    """Mean and standard deviation in both tables; the difference of the means in the latter."""
    sides = [side[~np.isnan(side)] for side in (reference, current)]
    if not all(map(len, sides)):
        return {"what": "mean", "mean": [float(s.mean()) if len(s) else None for s in sides]}
    mean, sd = [float(s.mean()) for s in sides], [float(s.std()) for s in sides]
    shift = (mean[1] - mean[0]) / (sd[0] or spread or 1.0)
    wider = sd[0] > 0 and sd[1] > 0 and abs(np.log(sd[1] / sd[0])) > abs(shift)
    return {"what": "spread" if wider else "mean", "mean": mean, "sd": sd, "shift": shift}


def shares(bins: Ints, known: Bool, old: int, names: pl.Series) -> dict[str, Any] | None:
    """The value whose share changed most; None for those that are not among the frequent ones."""
    both = [
        np.bincount(bins[part][known[part]], minlength=WIDTH) / max(int(known[part].sum()), 1)
        for part in (slice(0, old), slice(old, None))
    ]
    most = int(np.abs(both[1] - both[0]).argmax())
    level = names[most][:LONGEST] if most < len(names) else None
    return {"what": "share", "level": level, "share": [float(side[most]) for side in both]}


def histogram(values: Floats, old: int) -> dict[str, Any]:
    """Shares in bins of equal width between the first and the last percentile, for a drawing."""
    known = values[~np.isnan(values)]
    if not len(known):
        return {"ends": None, "reference": [], "current": []}
    low, high = np.quantile(known, [0.01, 0.99], method="inverted_cdf")
    if low == high:
        low, high = known.min(), known.max()
    step = (high - low) / DRAWN or 1.0
    sides = []
    for side in (values[:old], values[old:]):
        place = np.floor((side[~np.isnan(side)] - low) / step).clip(0, DRAWN - 1).astype(np.intp)
        sides.append((np.bincount(place, minlength=DRAWN) / max(len(place), 1)).tolist())
    return {"ends": [float(low), float(high)], "reference": sides[0], "current": sides[1]}


def bars(bins: Ints, known: Bool, old: int, names: pl.Series, levels: int) -> dict[str, Any]:
    """Shares of the most frequent values, the others last, for a drawing."""
    width = min(len(names), DRAWN - 1)
    place = np.minimum(bins, width)
    sides = [
        np.bincount(place[part][known[part]], minlength=width + 1) / max(int(known[part].sum()), 1)
        for part in (slice(0, old), slice(old, None))
    ]
    last = width + (levels > width)
    found = {"reference": sides[0][:last].tolist(), "current": sides[1][:last].tolist()}
    return {"levels": [name[:LONGEST] for name in names.head(width)], **found}
