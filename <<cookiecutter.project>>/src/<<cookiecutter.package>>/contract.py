"""Which rows of a table break the contract, and why: `validate` judges whole tables, this rows."""

from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context

from .errors import ProjectError

REASONS = {"row": pl.Int64, "column": pl.String, "rule": pl.String, "value": pl.String}

Doubled = dict[tuple[str, ...], pl.DataFrame]
"""Columns that together are unique, and the values that several rows have in them."""


def judge(
    rows: pl.DataFrame, misread: pl.DataFrame, schema: pa.DataFrameSchema, doubled: Doubled
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that keep the contract, and why the others do not.

    Args:
        misread: cells that are not of the contract's type, as columns row, column and value.
        doubled: what is there more than once in the whole table, of which these rows are a part.

    Returns:
        The rows; and a table with the columns row (from 0), column, rule and value, one line for
        each broken rule.

    Raises:
        ProjectError: as `sift`.
    """
    kept = pl.int_range(rows.height, eager=True, dtype=pl.Int64)
    found = [mistyped(misread, schema)]
    found += [repeated(rows, names, values) for names, values in doubled.items()]
    blamed = pl.concat(found)
    kept = kept.filter(~kept.is_in(blamed["row"].implode()))
    kept, broken = sift(rows, kept, schema)
    return rows[kept] if kept.len() < rows.height else rows, pl.concat([blamed, broken])


def unique(schema: pa.DataFrameSchema, key: str) -> list[tuple[str, ...]]:
    """The columns that together are unique: the key, and what the contract says beside it."""
    alone = [(name,) for name, column in schema.columns.items() if column.unique and name != key]
    return [(key,), *alone, *([tuple(schema.unique)] if schema.unique else [])]


def mistyped(misread: pl.DataFrame, schema: pa.DataFrameSchema) -> pl.DataFrame:
    rules = [f"type {schema.columns[name].dtype.type}" for name in misread["column"]]
    return misread.with_columns(pl.Series("rule", rules, dtype=pl.String)).select(*REASONS)


def repeated(rows: pl.DataFrame, names: tuple[str, ...], values: pl.DataFrame) -> pl.DataFrame:
    """The rows whose values in these columns are among those."""
    if values.is_empty():
        return pl.DataFrame(schema=REASONS)
    own = pl.DataFrame([rows[name] for name in names])
    places = own.hash_rows().is_in(values.hash_rows().implode()).arg_true()
    shown = [", ".join(map(str, row)) for row in own[places].iter_rows()]
    lines = {"row": places, "column": ", ".join(names), "rule": "unique", "value": shown}
    return pl.DataFrame(lines, schema=REASONS)


def sift(
    rows: pl.DataFrame, kept: pl.Series, schema: pa.DataFrameSchema
) -> tuple[pl.Series, pl.DataFrame]:
    """The places of the rows that keep every rule, and each broken rule of the others.

    What is left is held against the contract again until nothing is found: a check may list only
    some of the rows that it refuses.

    Raises:
        ProjectError: a rule is broken that blames no row, such as one about a mean.
    """
    found = [pl.DataFrame(schema=REASONS)]
    while kept.len() and (broken := cases(rows[kept], schema)) is not None:
        blamed = broken.filter(pl.col("index").is_not_null())
        if blamed.is_empty():
            column, rule, case = broken.row(0)[:3]
            raise ProjectError(
                f"INPUT breaks the rule {rule} of {column or 'the table'} in schema.py, and no "
                f"row can be blamed for it ({case}): mend the rule or the rows"
            )
        places = kept[blamed["index"]]
        found.append(blamed.with_columns(places.alias("row")).select(*REASONS))
        kept = kept.filter(~kept.is_in(places.implode()))
    return kept, pl.concat(found)


def cases(rows: pl.DataFrame, schema: pa.DataFrameSchema) -> pl.DataFrame | None:
    """Broken rules as column, rule, value and index; None where the contract is kept."""
    # Without this depth pandera checks the types of a LazyFrame and none of its values.
    with config_context(validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(rows.lazy())
            return None
        except (pa.errors.SchemaError, pl.exceptions.PolarsError):
            pass
        try:
            schema.validate(rows.lazy(), lazy=True)
            return None
        except pa.errors.SchemaErrors as error:
            broken: Any = error.failure_cases
    found: pl.DataFrame = broken.select(
        "column", pl.col("check").alias("rule"), pl.col("failure_case").alias("value"), "index"
    )
    return found
