"""The rows of a request, in the formats of MLflow's scoring protocol, as the contract's types.

MLflow's own reading goes through pandas: "NA" becomes a missing value and a date a text, nobody can
say which cell is wrong, and the answer to a bad body carries a stack trace.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

import msgspec
import polars as pl

from . import batches
from .batches import MISREAD, Types
from .errors import ProjectError
from .text import clean
from .validate import mismatches

JSON, CSV = "application/json", "text/csv"

SHOWN = 100
"""Broken rules that an answer lists; it counts the rows of all."""

SHAPES = (
    'send {"dataframe_split": {"columns": [...], "data": [[...], ...]}} or '
    '{"dataframe_records": [{...}, ...]}'
)

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Refused(ProjectError):
    """A request that is not answered with scores.

    Args:
        reasons: row (from 0; None for all), column, rule and value of each broken rule.
    """

    def __init__(self, message: str, reasons: pl.DataFrame | None = None) -> None:
        super().__init__(message)
        self.reasons = reasons


class Split(msgspec.Struct, forbid_unknown_fields=True):
    columns: list[str]
    data: list[list[Any]]
    index: Any = None


class Body(msgspec.Struct, forbid_unknown_fields=True):
    dataframe_split: Split | None = None
    dataframe_records: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class Wanted:
    """What a body may hold.

    Args:
        types: of the contract's columns.
        target: one of them, which may be missing.
        rows: the most of them; a few bytes can make a row that takes many in memory.
    """

    types: Types
    target: str
    rows: int

    def refuse_many(self, count: int) -> None:
        """Refuse too many rows before they are columns.

        Raises:
            Refused: there are.
        """
        if count > self.rows:
            raise Refused(
                f"the body has {count:,} rows and `predict.rows_at_once` in params.yaml is "
                f"{self.rows:,}: send fewer at a time, or `make predict`"
            )


def table(content: bytes, kind: str, wanted: Wanted) -> tuple[pl.DataFrame, ...]:
    """The rows of a request's body.

    Args:
        kind: JSON or CSV.

    Returns:
        The rows; and the cells that are not of their column's type, as columns row (from 0),
        column and value, which are missing in the rows.

    Raises:
        Refused: it is no table, has no rows or too many, or not the columns of the contract.
    """
    if not content.strip():
        raise Refused(f"the body is empty: {SHAPES}, or CSV as {CSV}")
    rows, misread = (csv if kind == CSV else json)(content, wanted)
    if rows.is_empty():
        raise Refused("the body holds no row: send at least one")
    return rows, misread


def csv(content: bytes, wanted: Wanted) -> tuple[pl.DataFrame, ...]:
    """CSV with a header, read as batch scoring does."""
    wanted.refuse_many(content.strip().count(b"\n"))
    try:
        header = pl.read_csv(content, n_rows=0, infer_schema=False)
        compare(header.columns, wanted)
        text = batches.as_types(content, {}, None)
        rows = batches.as_types(content, {name: wanted.types[name] for name in text.columns}, None)
    except pl.exceptions.PolarsError as error:
        raise Refused(f"the body is no CSV table ({clean(str(error), 200)}): mend it") from None
    return rows, batches.misread(rows, text)


def json(content: bytes, wanted: Wanted) -> tuple[pl.DataFrame, ...]:
    """JSON in one of the two shapes; null is a missing value, and so is a key that only some
    records have."""
    columns = cells(decode(content), wanted)
    made = [column(name, values, wanted.types[name]) for name, values in columns.items()]
    misread = pl.concat([pl.DataFrame(schema=MISREAD), *(lost for _, lost in made)])
    return pl.DataFrame([series for series, _ in made]), misread


def decode(content: bytes) -> Body:
    """The body as one of the two shapes.

    Raises:
        Refused: it is none of them.
    """
    try:
        body = msgspec.json.decode(content, type=Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"the body is not understood ({clean(str(error), 200)}): {SHAPES}") from None
    if (body.dataframe_split is None) == (body.dataframe_records is None):
        raise Refused(f"the body must hold one table: {SHAPES}")
    return body


def cells(body: Body, wanted: Wanted) -> dict[str, list[Any]]:
    """The values of each column.

    Raises:
        Refused: the columns are not those of the contract, or a row has too many or too few cells.
    """
    if body.dataframe_split is None:
        records = body.dataframe_records or []
        wanted.refuse_many(len(records))
        names = dict.fromkeys(name for row in records for name in row)
        if records:
            compare(names, wanted)
        return {name: [row.get(name) for row in records] for name in names}
    columns, data = body.dataframe_split.columns, body.dataframe_split.data
    wanted.refuse_many(len(data))
    compare(columns, wanted)
    for place, row in enumerate(data):
        if len(row) != len(columns):
            raise Refused(
                f"row {place} has {len(row)} cells and dataframe_split.columns {len(columns)} "
                "names: give each row one cell a column"
            )
    return {name: [row[place] for row in data] for place, name in enumerate(columns)}


def compare(names: Iterable[str], wanted: Wanted) -> None:
    """Refuse columns that are absent, unknown, or there twice.

    Raises:
        Refused: there are such columns.
    """
    given = Counter(iter(names))
    found = {name: wanted.types.get(name) for name in given}
    known = ((name, rule) for name, rule, _ in mismatches(wanted.types, found))
    broken = [*islice((each for each in known if each[0] != wanted.target), SHOWN)]
    broken += [(name, "column is there once") for name in wanted.types if given[name] > 1]
    if broken:
        schema = {"row": pl.Int64, "column": pl.String, "rule": pl.String, "value": pl.String}
        lines = [(None, clean(name), rule, None) for name, rule in broken]
        reasons = pl.DataFrame(lines, schema=schema, orient="row")
        raise Refused("the columns are not those of the contract, schema.py", reasons)


def column(name: str, values: list[Any], dtype: Any) -> tuple[pl.Series, pl.DataFrame]:
    """The values as a type of the contract, and those that are not of it."""
    series = read(name, values, dtype)
    places: list[int] = []
    if series.null_count() > values.count(None):
        given = pl.Series([value is not None for value in values])
        places = (series.is_null() & given).arg_true().to_list()
    shown = [clean(str(values[place]), 100) for place in places]
    misread = {"row": places, "column": [name] * len(places), "value": shown}
    return series, pl.DataFrame(misread, schema=MISREAD)


def read(name: str, values: list[Any], dtype: Any) -> pl.Series:
    """What JSON calls a number, a truth or a text; a date is a text that is read as in CSV."""
    if dtype.is_integer():
        return pl.Series(name, take(values, Whole), dtype=pl.Int64).cast(dtype, strict=False)
    if dtype.is_float():
        return pl.Series(name, take(values, float), dtype=pl.Float64).cast(dtype)
    if dtype == pl.Boolean:
        return pl.Series(name, take(values, bool), dtype=dtype)
    text = pl.Series(name, take(values, str), dtype=pl.String)
    if dtype == pl.String:
        return text
    lines = pl.DataFrame([pl.int_range(len(text), eager=True).alias("row"), text.alias("cell")])
    return batches.as_types(lines.write_csv().encode(), {"cell": dtype}, None)["cell"].alias(name)


def take(values: list[Any], kind: Any) -> list[Any]:
    """The values that are of a kind, None in place of the others."""
    try:
        found: list[Any] = msgspec.convert(values, list[kind | None])
        return found
    except msgspec.ValidationError:
        return [each(value, kind) for value in values]


def each(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None
