"""The quality of a batch beside its drift: volume, freshness, repetition, the contract."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from .clusters import Grouped, dated
from .permutation import Ints


def volume(reference: Grouped, current: Grouped, windows: Ints) -> dict[str, Any]:
    """Rows a cluster in both tables, and the range of that in earlier windows."""
    sizes = [np.bincount(side.code, minlength=side.count) for side in (reference, current)]
    means = [float(size.mean()) if len(size) else None for size in sizes]
    earlier = [
        float(sizes[0][windows == w].mean()) for w in range(int(windows.max(initial=-1)) + 1)
    ]
    span = [min(earlier), max(earlier)] if earlier else None
    return {"reference": means[0], "current": means[1], "earlier": span}


def freshness(reference: Grouped, current: Grouped, today: date | None) -> dict[str, Any]:
    """The newest cluster of both tables; days between them, and since then, where they are days."""
    newest = [
        side.names[-1] if side.names is not None and side.count else None
        for side in (reference, current)
    ]
    old, new = newest
    days = (new - old).days if isinstance(old, date) and isinstance(new, date) else None
    age = (today - new).days if today and isinstance(new, date) else None
    shown = [None if name is None else str(name)[:200] for name in newest]
    return {"reference": shown[0], "current": shown[1], "days": days, "age": age}


def repeated(reference: Grouped, current: Grouped, columns: list[str]) -> dict[str, int] | None:
    """Clusters of the batch that the reference has too: by their name, and row for row.

    None where rows are independent: a row alone may well be there twice.
    """
    if reference.names is None or current.names is None or not columns:
        return None
    named = int(current.names.is_in(reference.names.implode()).sum())
    kinds = {name: reference.rows[name].dtype for name in columns}
    cast = [pl.col(name).cast(kind, strict=False) for name, kind in kinds.items()]
    old, new = (fingerprints(side.code, side.rows.select(cast)) for side in (reference, current))
    return {"named": named, "equal": int(new.is_in(old.implode()).sum())}


def copies(earlier: pl.DataFrame, current: pl.DataFrame, cluster: str, columns: list[str]) -> bool:
    """Whether all clusters of the batch are there already, row for row, whatever they are called.

    Where most of the earlier ones have an equal, as in a table of few values, that says nothing.
    """
    old, new = (
        fingerprints(table.select(dated(table, cluster)).to_series(), table.select(columns))
        for table in (earlier, current)
    )
    return 2 * old.n_unique() > len(old) and bool(new.is_in(old.implode()).all())


def fingerprints(code: Ints | pl.Series, rows: pl.DataFrame) -> pl.Series:
    """A number for each cluster that its rows decide, whatever their order."""
    by = pl.DataFrame({"code": code, "row": rows.hash_rows()})
    sums = by.group_by("code").agg(pl.col("row").sum(), pl.len())
    return sums.select(pl.struct("row", "len").hash()).to_series()


def outside(rows: pl.DataFrame, schema: Any) -> dict[str, int]:
    """How many rows break the contract in each column; a value of another type does.

    Args:
        schema: a contract of pandera; what it says of other columns does not count.
    """
    import pandera.polars as pa

    from .contract import cases

    known = [name for name in rows.columns if name in schema.columns]
    if not known or not rows.height:
        return dict.fromkeys(known, 0)
    kinds: Any = {name: schema.columns[name].dtype.type for name in known}
    cast = rows.select(known).cast(kinds, strict=False)
    lost = {name: cast[name].null_count() - rows[name].null_count() for name in known}
    plain = {
        name: pa.Column(kinds[name], schema.columns[name].checks, nullable=True) for name in known
    }
    broken = cases(cast, pa.DataFrameSchema(plain))
    if broken is None:
        return lost
    found = broken.drop_nulls("index").group_by("column").agg(pl.col("index").n_unique())
    return lost | {name: lost[name] + count for name, count in found.iter_rows()}
