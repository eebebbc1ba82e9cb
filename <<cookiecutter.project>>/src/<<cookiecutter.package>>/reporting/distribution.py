"""What is in a column: how much is missing, its quantiles or its most frequent values."""

import math
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from ..text import NARROW, cell, number, percent, places, span, table
from .charts import Axis, bar, drawing

TOP = 5
"""The most values of a column that are named."""

RARE = 10
"""Rows below which a value is not named: it may be somebody's."""

SHARES = (0, 0.05, 0.5, 0.95, 1)


class Quantiles(NamedTuple):
    """Values of the table itself, by nearest rank."""

    least: Any
    low: Any
    median: Any
    high: Any
    most: Any


def read(files: list[Path], name: str) -> pl.Series:
    """One column, so that memory follows the rows of one; a float that is no number is missing."""
    column = pl.scan_parquet(files).select(name).collect().to_series()
    return column.fill_nan(None) if column.dtype.is_float() else column


def quantiles(column: pl.Series) -> Quantiles | None:
    """None where nothing is known."""
    known = column.drop_nulls().sort()
    if known.is_empty():
        return None
    ranks = [known[round(share * (len(known) - 1))] for share in SHARES]
    return Quantiles(*ranks)


def ordered(name: str, column: pl.Series) -> list[str]:
    """A row of the table of numbers and dates."""
    found = quantiles(column)
    if found is None:
        return [cell(name), "–", "–", "–", "–"]
    digits = decimals(found, column)
    least, low, median, high, most = (shown(value, digits) for value in found)
    middle = f"{median} <sub>({low}{NARROW}to{NARROW}{high})</sub>"
    return [cell(name), least, middle, most, picture(found)]


def decimals(found: Quantiles, column: pl.Series) -> int:
    """None of a whole number; else three digits of how far the middle of the values reaches."""
    if not column.dtype.is_float():
        return 0
    return places(found.high - found.low or found.median, 3)


def shown(value: Any, digits: int) -> str:
    return number(float(value), digits) if isinstance(value, int | float) else str(value)


def picture(found: Quantiles) -> str:
    """The middle nine tenths on a scale from the least to the most value."""
    values = [place(value) for value in found]
    left, low, median, high, right = values
    if not all(map(math.isfinite, values)):
        return "–"
    if left == right:
        return "one value"
    return drawing(low, median, high, Axis(left, right, left))


def place(value: Any) -> float:
    """A number or a date on a line."""
    if isinstance(value, date):  # a moment is one too
        return value.toordinal()
    return float(value) if isinstance(value, int | float) else math.nan


def frequent(name: str, column: pl.Series) -> Iterator[list[str]]:
    """Rows of the table of categories: the most frequent values, and how many others there are."""
    names, head = column.drop_nulls().cast(pl.String).alias("value"), cell(name)
    counts = names.value_counts(name="rows").sort(["rows", "value"], descending=[True, False])
    named = counts.head(TOP).filter(pl.col("rows") >= RARE)
    if counts.is_empty():
        yield [head, "–", "–", "–"]
    for value, rows in named.iter_rows():
        yield [head, cell(value), f"{rows:,}", share(rows, len(column))]
        head = ""
    if left := counts.height - named.height:
        rows = len(names) - int(named["rows"].sum())
        values = "1 other value" if left == 1 else f"{left:,} other values"
        yield [head, values, f"{rows:,}", share(rows, len(column))]


def share(rows: int, whole: int) -> str:
    """Both as a picture and in words."""
    return f"{bar(rows / whole)} {percent(rows / whole, 1)}"


def distributions(columns: Iterator[tuple[str, pl.Series]]) -> str:
    """Both tables; other kinds of columns, such as lists, are left out."""
    numbers, categories = [], []
    for name, column in columns:
        if column.dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
            categories += [*frequent(name, column)]
        elif column.dtype.is_numeric() or column.dtype.is_temporal():
            numbers.append(ordered(name, column))
    ends = span(5, 95, 0).replace(NARROW, " ")
    head = ["Column", "Least", f"Median<br><sub>({ends} %)</sub>", "Most", "Least to most"]
    found = [table(head, "lrrrc", numbers)] if numbers else []
    head = ["Column", "Value", "Rows", "Share"]
    found += [table(head, "llrl", categories)] if categories else []
    return "\n\n".join(found)
