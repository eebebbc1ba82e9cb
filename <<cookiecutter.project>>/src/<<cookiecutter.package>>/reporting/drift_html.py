"""Both distributions of each column as a page for people, drawn by Evidently.

It decides nothing: whether a column drifted is in `drift.json`. Evidently needs pandas, so it lives
in an environment of its own, and only this command imports it. One metric a column: its preset
computes each three times.
"""

import os
import re
from pathlib import Path
from typing import Any

import polars as pl

from .. import bins, clusters, drift
from ..errors import ProjectError
from ..params import Params

UNSAFE = re.compile(r"[^\w .:+-]")
"""What a page might read as markup; it becomes an underscore in names and in values."""


def run(
    params: Params,
    reference: Path,
    current: Path,
    cluster: str | None,
    newest: str | None,
    out: Path,
) -> None:
    """Write the page.

    Args:
        reference: a Parquet file or a folder of them; all others as in `drift.run`.

    Raises:
        ProjectError: a file cannot be read, or no column can be drawn.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    old, new, cluster = drift.tables(params, reference, current, cluster, newest)
    roles = drift.roles_of(params.task, [*old.columns, *new.columns], cluster)
    rows, seed = params.drift.rows, params.drift.seed
    pair = [side.rows for side in clusters.pair(old, new, cluster, rows, seed)]
    names = [name for name in roles if all(drawable(table, name) for table in pair)]
    if not names:
        raise ProjectError(
            "no column has values in both tables: nothing can be drawn; name other files"
        )
    draw([shown(table, names, pair[0]) for table in pair], out)
    print(f"drift-html: {len(names):,} columns in {out}")


def drawable(table: pl.DataFrame, name: str) -> bool:
    """Whether a column is there, has values, and has a type that Evidently knows."""
    if name not in table.columns or bins.judgeable(table[name]):
        return False
    return table[name].null_count() < table.height


def shown(table: pl.DataFrame, names: list[str], like: pl.DataFrame) -> pl.DataFrame:
    """The columns as numbers or text, under names that are no markup."""
    found = {}
    for place, name in enumerate(names):
        number = bins.numeric(like[name]) and bins.numeric(table[name])
        values = bins.floats(table[name]) if number else safe(table[name].cast(pl.String))
        found[f"{place + 1:03} {UNSAFE.sub('_', name)[:60]}"] = values
    return pl.DataFrame(found)


def safe(values: pl.Series) -> pl.Series:
    return values.str.replace_all(UNSAFE.pattern, "_").str.slice(0, 60)


def draw(tables: list[pl.DataFrame], out: Path) -> None:
    """Write Evidently's page when it is complete."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    kind = tables[0].schema
    numbers = [name for name in kind if kind[name].is_numeric()]
    words = [name for name in kind if name not in numbers]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=words)
    old, new = (Dataset.from_pandas(t.to_pandas(), data_definition=kinds) for t in tables)
    metrics: list[Any] = [ValueDrift(column=name, method="psi") for name in kind]
    page = Report(metrics).run(new, old)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    page.save_html(str(part))
    os.replace(part, out)
