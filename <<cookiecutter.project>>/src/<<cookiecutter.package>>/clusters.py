"""The clusters of a table's rows, in their order; large tables are sampled by whole clusters."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from .errors import ProjectError
from .permutation import Ints

MOST = 1000
"""Clusters of one table that are judged; more are sampled."""

BLOCKS = 30
"""Where rows are independent: the fewest groups that stand in for clusters on either side."""

NAME = "\N{WHITE SQUARE} cluster"
"""The column that names a row's cluster inside this module."""


@dataclass(frozen=True)
class Grouped:
    """The rows of a table that are judged, and the cluster of each.

    Args:
        code: of each row, from 0 in the clusters' order.
        names: of the clusters; None where rows are independent and groups are drawn.
        place: of each cluster among all of the table, before the sampling.
        whole: rows and clusters before the sampling.
        unnamed: rows left out because their cluster is missing.
    """

    rows: pl.DataFrame
    code: Ints
    names: pl.Series | None
    place: Ints
    whole: tuple[int, int]
    unnamed: int = 0

    @property
    def count(self) -> int:
        return len(self.place)

    @property
    def sampled(self) -> bool:
        return self.count < self.whole[1]

    def windows(self, count: int) -> Ints:
        """The window of each cluster: the newest `count` are the last, -1 is left over."""
        order = np.arange(self.count) - self.count % count
        return np.where(order < 0, -1, order // count)


def require(name: str, table: pl.DataFrame, cluster: str) -> None:
    """The cluster column is there.

    Raises:
        ProjectError: it is not.
    """
    if cluster not in table.columns:
        shown = ", ".join(repr(column) for column in table.columns[:20]) or "none"
        raise ProjectError(
            f"{name} has no column {cluster!r}, which names a row's cluster: its columns are "
            f"{shown}"
        )


def pair(
    reference: pl.DataFrame, current: pl.DataFrame, cluster: str | None, rows: int, seed: int
) -> tuple[Grouped, Grouped]:
    """Both tables by cluster: days in their order, or drawn groups where rows are independent.

    Args:
        rows: of either table; more are sampled.
    """
    if cluster is None:
        size = max(1, min(reference.height, current.height) // BLOCKS)
        return drawn(reference, size, rows, seed), drawn(current, size, rows, seed + 1)
    tables = [t.with_columns(dated(t, cluster).alias(NAME)) for t in (reference, current)]
    kinds = {table[NAME].dtype for table in tables} - {pl.Null()}
    kind = kinds.pop() if len(kinds) == 1 else pl.String()
    old, new = (table.with_columns(pl.col(NAME).cast(kind)) for table in tables)
    return named(old, rows, seed), named(new, rows, seed)


def dated(table: pl.DataFrame, cluster: str) -> pl.Expr:
    """The cluster of each row: timestamps count by their day, other types by their text."""
    kind = table[cluster].dtype
    if kind == pl.Datetime:
        return pl.col(cluster).dt.date()
    plain = kind.is_integer() or kind in (pl.Date, pl.String, pl.Null)
    return pl.col(cluster) if plain else pl.col(cluster).cast(pl.String)


def named(table: pl.DataFrame, rows: int, seed: int) -> Grouped:
    """Rows by the clusters that the column NAME holds."""
    known = table.filter(pl.col(NAME).is_not_null())
    unnamed = table.height - known.height
    names = known[NAME].unique().sort()
    index = pl.DataFrame({NAME: names, "code": np.arange(len(names))})
    code = known[[NAME]].join(index, on=NAME, how="left", maintain_order="left")["code"]
    found = code.to_numpy().astype(np.intp)
    return sample(known.drop(NAME), found, names, rows, seed, unnamed)


def drawn(table: pl.DataFrame, size: int, rows: int, seed: int) -> Grouped:
    """Independent rows in groups of about one size."""
    count = table.height // size
    order = np.random.default_rng(seed).permutation(table.height).astype(np.intp)
    return sample(table, order % max(count, 1), None, rows, seed, 0)


def sample(
    table: pl.DataFrame, code: Ints, names: pl.Series | None, rows: int, seed: int, unnamed: int
) -> Grouped:
    """Whole clusters, drawn until another one would be too many."""
    size = np.bincount(code) if len(code) else np.zeros(0, np.intp)
    place = np.arange(len(size), dtype=np.intp)
    whole = table.height, len(size)
    if table.height <= rows and len(size) <= MOST:
        return Grouped(table, code, names, place, whole, unnamed)
    order = np.random.default_rng(seed).permutation(len(size))
    fits = max(int((size[order].cumsum() <= rows).sum()), 1)
    place = np.sort(order[: min(fits, MOST)]).astype(np.intp)
    renamed = np.full(len(size), -1, np.intp)
    renamed[place] = np.arange(len(place))
    kept = renamed[code] >= 0
    return Grouped(
        table.filter(kept),
        renamed[code][kept],
        None if names is None else names.gather(place),
        place,
        whole,
        unnamed,
    )
