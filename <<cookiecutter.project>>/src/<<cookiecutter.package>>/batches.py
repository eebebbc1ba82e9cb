"""The rows of CSV and Parquet files, so many at a time: memory does not follow the file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl

from .errors import ProjectError

FORMATS = (".csv", ".parquet")
BLOCK = 2**22
"""Bytes of a CSV file that are read at once."""
LONGEST = 2**26
"""Bytes of a CSV file in which a row must end; a quote that is never closed goes on for ever."""

Types = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    Args:
        first: the number of the first row in its file, from 0.
        rows: the columns as they are in the file; CSV cells as the types of the contract.
        misread: the cells that are not of that type, as columns row (from 0 in the batch), column
            and value; they are missing in `rows`.
    """

    file: Path
    first: int
    rows: pl.DataFrame
    misread: pl.DataFrame


MISREAD = {"row": pl.Int64, "column": pl.String, "value": pl.String}


def files(source: Path) -> list[Path]:
    """The file itself, or the files of a folder by name; names with a dot or _ first are no data.

    Raises:
        ProjectError: there is none, or one that is neither .csv nor .parquet.
    """
    if source == Path():
        raise ProjectError("INPUT is empty: make predict INPUT=flights.csv OUTPUT=scores.parquet")
    if not source.exists():
        raise ProjectError(f"INPUT is {str(source)!r}, which is not there: name a file or a folder")
    if not source.is_dir():
        found = [source]
    else:
        found = sorted(path for path in source.iterdir() if path.name[0] not in "._")
    if not found:
        raise ProjectError(f"INPUT is {str(source)!r}, which holds no file: name one with tables")
    for path in found:
        if path.suffix not in FORMATS or path.is_dir():
            raise ProjectError(
                f"INPUT has {str(path)!r}: name a file that ends in .csv or .parquet, or a folder "
                "of them"
            )
    return found


def read(file: Path, count: int, types: Types, columns: list[str] | None = None) -> Iterator[Batch]:
    """The rows in their order, at most `count` at a time.

    Args:
        types: what the cells of a CSV file are read as; other columns stay text.
        columns: those that are wanted; None for all.

    Raises:
        ProjectError: the file cannot be read to its end.
    """
    batches = csv if file.suffix == ".csv" else parquet
    try:
        yield from batches(file, count, types, columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ProjectError(
            f"INPUT has {str(file)!r}, which is no table to its end: "
            f"{' '.join(str(error).split())[:200]}"
        ) from None


def parquet(file: Path, count: int, types: Types, columns: list[str] | None) -> Iterator[Batch]:
    """Slices of a Parquet file; only the row groups of a slice are read."""
    whole = pl.scan_parquet(file, glob=False)
    size = whole.select(pl.len()).collect().item()
    if columns is not None:
        whole = whole.select(columns)
    for first in range(0, size, count):
        rows = whole.slice(first, count).collect()
        yield Batch(file, first, rows, pl.DataFrame(schema=MISREAD))


def csv(file: Path, count: int, types: Types, columns: list[str] | None) -> Iterator[Batch]:
    """Blocks of a CSV file that end where a row ends."""
    first = 0
    with file.open("rb") as source:
        pieces = blocks(source, file)
        header = next(pieces, b"")
        for block in pieces:
            text = as_types(header + block, {}, columns)
            wanted = {name: types[name] for name in text.columns if name in types}
            rows = as_types(header + block, wanted, columns)
            for start in range(0, rows.height, count):
                part = slice(start, start + count)
                yield Batch(file, first + start, rows[part], misread(rows[part], text[part]))
            first += rows.height
    everything = pl.scan_csv(file, infer_schema=False, glob=False)
    if first != (size := everything.select(pl.len()).collect(engine="streaming").item()):
        raise ProjectError(
            f"INPUT has {str(file)!r}, of which {size:,} rows can be read at once and {first:,} in "
            "parts: a quote in it is not closed or not doubled"
        )


def as_types(content: bytes, types: Types, columns: list[str] | None) -> pl.DataFrame:
    """CSV text as these types, or else as text; a cell that is not of its type is missing."""
    return pl.read_csv(
        content,
        columns=columns,
        schema_overrides=types,
        infer_schema=False,
        null_values=[""],
        ignore_errors=bool(types),
    )


def misread(rows: pl.DataFrame, text: pl.DataFrame) -> pl.DataFrame:
    """The cells that are there as text and missing as what the contract wants."""
    found = [pl.DataFrame(schema=MISREAD)]
    for name in text.columns:
        if rows[name].null_count() > text[name].null_count():
            lost = (rows[name].is_null() & text[name].is_not_null()).arg_true()
            cells = {"row": lost, "column": name, "value": text[name][lost]}
            found.append(pl.DataFrame(cells, schema=MISREAD))
    return pl.concat(found)


def blocks(source: IO[bytes], file: Path) -> Iterator[bytes]:
    """The header, then parts of the file that end with whole rows.

    Raises:
        ProjectError: a row does not end.
    """
    rest, header = b"", True
    while block := source.read(BLOCK):
        rest += block
        ends = row_ends(rest)
        if header and len(ends):
            yield rest[: ends[0] + 1]
            rest, ends, header = rest[ends[0] + 1 :], ends[1:] - ends[0] - 1, False
        if len(ends):
            yield rest[: ends[-1] + 1]
            rest = rest[ends[-1] + 1 :]
        elif len(rest) > LONGEST:
            raise ProjectError(
                f"INPUT has {str(file)!r}, in which a row goes on for {LONGEST:,} bytes: close the "
                "quote that is open there"
            )
    if rest:
        yield rest


def row_ends(text: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where rows end: the line breaks outside of quotes."""
    characters = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    quotes = np.flatnonzero(characters == ord('"'))
    return np.asarray(ends[np.searchsorted(quotes, ends) % 2 == 0])
