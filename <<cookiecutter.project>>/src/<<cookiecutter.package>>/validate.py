"""Hold the table against its contract. What passes is copied on, byte for byte, for `split`.

Files are scanned one by one and streamed, so memory follows the largest row group, not the table.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context

from .errors import ProjectError
from .params import Params
from .schema import SCHEMA
from .text import cell, code, table

KEYS_AT_ONCE = 20_000_000
"""Keys compared in one pass, about 1 GB of hashes; more keys take more passes."""

READABLE = "is a Parquet table"


@dataclass
class Violation:
    """One broken rule of one column, over all files."""

    column: str
    check: str
    rows: int = 0
    examples: list[str] = field(default_factory=list)


class Violations:
    """The broken rules, in the order in which they were found."""

    def __init__(self, quoted: int) -> None:
        self.quoted = quoted
        self.found: dict[tuple[str, str], Violation] = {}

    def add(self, column: str, check: str, rows: int, examples: list[str]) -> None:
        violation = self.found.setdefault((column, check), Violation(column, check))
        violation.rows += rows
        violation.examples += examples[: self.quoted - len(violation.examples)]

    def markdown(self) -> str:
        rows = [
            [column(v.column), code(v.check), f"{v.rows:,}", ", ".join(v.examples)]
            for v in self.found.values()
        ]
        return table(["Column", "Check", "Rows", "Examples"], "llrl", rows)


def column(name: str) -> str:
    return cell(name) if name else "the table"


def run(params: Params, raw: Path, valid: Path, summary: Path, violations: Path) -> None:
    """Copy the files of `raw` to `valid` if all of them keep the contract.

    Args:
        summary: written on success: rows, columns, files, first and last day, as JSON.
        violations: written on failure, removed on success: the table of broken rules, as Markdown.

    Raises:
        ProjectError: a rule is broken; its table is in `violations` and in the message.
    """
    files = sorted(raw.glob("*.parquet"))
    refuse_unknown(params)
    violations.parent.mkdir(parents=True, exist_ok=True)
    if broken := check(files, SCHEMA, params):
        text = broken.markdown()
        violations.write_text(f"### ⛔ The data breaks its contract\n\n{text}\n", encoding="utf-8")
        raise ProjectError(
            f"the data breaks its contract, schema.py:\n\n{text}\n\n"
            "Mend the source, then `dvc repro --force ingest`, or mend the contract; then `make "
            f"repro`. This table is in {violations}."
        )
    violations.unlink(missing_ok=True)
    valid.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, valid / file.name)
    rows = count(scan(files, SCHEMA))
    facts = {"rows": rows, "columns": len(SCHEMA.columns), "files": len(files)}
    facts |= window(scan(files, SCHEMA), params.task.time)
    summary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"validate: {rows:,} rows in {len(files)} files keep the contract")


def refuse_unknown(params: Params) -> None:
    """Refuse parameters that name a column which the contract does not have.

    Raises:
        ProjectError: there is such a column.
    """
    task, options = params.task, params.evaluate
    named = [task.target, task.key, task.time, task.cluster, params.split.group]
    for name in [*named, *task.features, *options.slices, *options.sensitive]:
        if name is not None and name not in SCHEMA.columns:
            raise ProjectError(
                f"params.yaml names the column {name!r}, which schema.py does not have: "
                f"it has {', '.join(SCHEMA.columns)}"
            )


def check(files: list[Path], schema: pa.DataFrameSchema, params: Params) -> Violations | None:
    """The rules that the files break; None if they keep all of them."""
    for look in (structure, values, doubled):
        broken = Violations(params.validate.examples)
        look(files, schema, params, broken)
        if broken.found:
            return broken
    return None


def scan(files: list[Path], schema: pa.DataFrameSchema) -> pl.LazyFrame:
    """The rows of Parquet or CSV files; CSV cells are read as the types of the contract."""
    if files[0].suffix == ".csv":
        return pl.scan_csv(files, schema_overrides=types(schema), null_values=[""])
    return pl.scan_parquet(files)


def types(schema: pa.DataFrameSchema) -> dict[str, Any]:
    return {name: column.dtype.type for name, column in schema.columns.items()}


def count(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())


def window(rows: pl.LazyFrame, time: str | None) -> dict[str, Any]:
    """The first and the last day; nothing of a table without time."""
    if time is None:
        return {}
    day = pl.col(time).cast(pl.Date)
    first, last = (
        rows.select(day.min().alias("first"), day.max().alias("last"))
        .collect(engine="streaming")
        .row(0)
    )
    return {"from": str(first), "until": str(last)}


def structure(
    files: list[Path], schema: pa.DataFrameSchema, params: Params, broken: Violations
) -> None:
    """What shows in the head of a file: no table, no rows, absent, unknown and mistyped columns."""
    if not files:
        broken.add("", "at least one file", 0, ["no *.parquet was brought in"])
    for file in files:
        try:
            found = dict(scan([file], schema).collect_schema())
            rows = count(scan([file], schema))
        except (pl.exceptions.PolarsError, OSError) as error:
            broken.add("", READABLE, 0, [unreadable(file, error)])
            continue
        if rows == 0:
            broken.add("", "at least one row", 0, [code(file.name)])
        for column, check, what in mismatches(types(schema), found):
            broken.add(column, check, rows, [f"{what}{code(file.name)}"])


def mismatches(contract: dict[str, Any], found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for column, dtype in contract.items():
        if column not in found:
            yield column, "column is there", ""
        elif found[column] != dtype:
            yield column, f"type {dtype}", f"{found[column]} in "
    for column in found:
        if column not in contract:
            yield column, "column is in the contract", ""


def unreadable(file: Path, error: Exception) -> str:
    empty = file.exists() and file.stat().st_size == 0
    return f"{code(file.name)}: {'an empty file' if empty else code(str(error), 100)}"


def values(
    files: list[Path], schema: pa.DataFrameSchema, params: Params, broken: Violations
) -> None:
    """What shows in the rows: limits, missing values, late dates.

    All files are looked at in one scan, and one by one only to say where a rule is broken.
    """
    schema = schema.add_columns(stricter(schema, params))
    if holds(schema, files):
        return
    for file in files:
        for column, rule, rows, examples in failures(schema, file, params.validate.examples):
            broken.add(column, rule, rows, examples)


def stricter(schema: pa.DataFrameSchema, params: Params) -> dict[str, pa.Column]:
    """The columns to which `params.yaml` adds a rule: keys are there, no date is too late."""
    task, until = params.task, params.ingest.until
    key = schema.columns[task.key]
    columns = {task.key: pa.Column(key.dtype.type, key.checks, nullable=False)}
    if task.time is not None and until is not None:
        latest = pa.Check(
            lambda data: data.lazyframe.select(pl.col(data.key).cast(pl.Date) <= until),
            error=f"not after {until}, the declared ingest.until",
        )
        time = schema.columns[task.time]
        columns[task.time] = pa.Column(time.dtype.type, [*time.checks, latest], nullable=False)
    return columns


def holds(schema: pa.DataFrameSchema, files: list[Path]) -> bool:
    # Without this depth pandera checks the types of a LazyFrame and none of its values.
    with config_context(validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(scan(files, schema))
        except (pa.errors.SchemaError, pl.exceptions.PolarsError):
            return False
    return True


def failures(
    schema: pa.DataFrameSchema, file: Path, quoted: int
) -> Iterator[tuple[str, str, int, list[str]]]:
    """Column, check, number of rows and quoted examples of each broken rule in one file."""
    with config_context(validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(scan([file], schema), lazy=True)
        except pa.errors.SchemaErrors as error:
            cases = error.failure_cases
        except pl.exceptions.PolarsError as error:  # a damaged page shows only when it is read
            yield "", READABLE, 0, [unreadable(file, error)]
            return
        else:
            return
    grouped = cases.group_by("column", "check", maintain_order=True).agg(
        pl.len(), pl.col("failure_case", "index").head(quoted)
    )
    for column, rule, rows, found, index in grouped.iter_rows():
        places = zip(found, index, strict=True)
        yield column or "", rule, rows, [example(value, file, row) for value, row in places]


def example(value: object, file: Path, row: int | None) -> str:
    """A quoted value with its file and row; rows count from 1."""
    where = code(file.name) if row is None else f"{code(file.name)} row {row + 1:,}"
    return f"{cell('missing' if value is None else str(value))} in {where}"


def doubled(
    files: list[Path], schema: pa.DataFrameSchema, params: Params, broken: Violations
) -> None:
    """Rows whose key another row has too: keys meet by hash, then those that met are looked at."""
    key, whole = params.task.key, scan(files, schema)
    rows = count(whole)
    passes = rows // KEYS_AT_ONCE + 1
    hashes = whole.select(pl.col(key).hash().alias("hash"))
    if sum(distinct(hashes, part, passes) for part in range(passes)) == rows:
        return
    keys = pl.concat(
        scan([file], schema)
        .select(pl.col(key), pl.lit(file.name).alias("file"))
        .with_row_index("row")
        for file in files
    )
    meet = keys.filter(pl.len().over(key) > 1).sort(key, "file", "row").collect()
    if meet.height:
        first = meet.select(key, "file", "row").head(params.validate.examples).iter_rows()
        examples = [example(value, Path(name), row) for value, name, row in first]
        broken.add(key, "unique", meet.height, examples)


def distinct(hashes: pl.LazyFrame, part: int, passes: int) -> int:
    """How many different hashes there are in one part of them."""
    if passes > 1:
        hashes = hashes.filter(pl.col("hash") % passes == part)
    return hashes.collect(engine="streaming").to_series().n_unique()
