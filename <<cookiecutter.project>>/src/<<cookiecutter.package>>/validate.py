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
from .text import code, table

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
            [code(v.column) if v.column else "the table", code(v.check), f"{v.rows:,}", ", ".join(v.examples)]
            for v in self.found.values()
        ]
        return table(["Column", "Check", "Rows", "Examples"], "llrl", rows)


def run(params: Params, raw: Path, valid: Path, summary: Path, violations: Path) -> None:
    """Copy the files of `raw` to `valid` if all of them keep the contract.

    Args:
        summary: written on success: rows, columns and files, as JSON.
        violations: written on failure, removed on success: the table of broken rules, as Markdown.

    Raises:
        ProjectError: a rule is broken; its table is in `violations` and in the message.
    """
    files = sorted(raw.glob("*.parquet"))
    broken = structure(files, raw, params) or values(files, params)
    violations.parent.mkdir(parents=True, exist_ok=True)
    if broken:
        text = broken.markdown()
        violations.write_text(f"### ⛔ The data breaks its contract\n\n{text}\n", encoding="utf-8")
        raise ProjectError(
            f"the data breaks its contract (src/*/schema.py):\n\n{text}\n\n"
            f"Mend the source or the contract, then `make repro`; this table is in {violations}"
        )
    violations.unlink(missing_ok=True)
    valid.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, valid / file.name)
    rows = count(files)
    facts = {"rows": rows, "columns": len(SCHEMA.columns), "files": len(files)}
    summary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"validate: {rows:,} rows in {len(files)} files keep the contract")


def structure(files: list[Path], raw: Path, params: Params) -> Violations | None:
    """What shows without reading a row: unreadable files, absent, unknown and mistyped columns."""
    broken = Violations(params.validate.examples)
    if not files:
        broken.add("", "at least one file", 0, [f"no *.parquet in {code(str(raw))}"])
    contract = declared(params)
    for file in files:
        try:
            schema = pl.read_parquet_schema(file)
            rows = count([file])
        except (pl.exceptions.PolarsError, OSError) as error:
            broken.add("", READABLE, 0, [unreadable(file, error)])
            continue
        if rows == 0:
            broken.add("", "at least one row", 0, [code(file.name)])
        for column, check, found in mismatches(contract, dict(schema)):
            broken.add(column, check, rows, [f"{found}{code(file.name)}"])
    return broken if broken.found else None


def declared(params: Params) -> dict[str, Any]:
    """The contract's columns and polars types, among them every column that the task names.

    Raises:
        ProjectError: `params.yaml` names a column that the contract does not have.
    """
    contract = {name: column.dtype.type for name, column in SCHEMA.columns.items()}
    task = params.task
    named = [task.target, task.key, task.time, task.cluster, *task.features]
    named += [*params.evaluate.slices, params.split.group]
    for name in named:
        if name is not None and name not in contract:
            raise ProjectError(
                f"params.yaml names the column {name!r}, which schema.py does not have: "
                f"it has {', '.join(contract)}"
            )
    return contract


def mismatches(contract: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for column, dtype in contract.items():
        if column not in schema:
            yield column, "column is there", ""
        elif schema[column] != dtype:
            yield column, f"type {dtype}", f"{schema[column]} in "
    for column in schema.keys() - contract.keys():
        yield column, "column is in the contract", ""


def unreadable(file: Path, error: Exception) -> str:
    empty = file.exists() and file.stat().st_size == 0
    return f"{code(file.name)}: {'an empty file' if empty else code(str(error), 100)}"


def values(files: list[Path], params: Params) -> Violations | None:
    """What shows only in the rows: limits, missing values, doubled keys, late dates."""
    broken = Violations(params.validate.examples)
    schema = SCHEMA.add_columns(rules(params))
    for file in files:
        for column, check, rows, examples in failures(schema, file, params.validate.examples):
            broken.add(column, check, rows, examples)
    if broken.found:
        return broken
    for rows, examples in doubled(files, params.task.key, params.validate.examples):
        broken.add(params.task.key, "unique", rows, examples)
    return broken if broken.found else None


def rules(params: Params) -> dict[str, pa.Column]:
    """The columns that get one more rule from `params.yaml`: no date after the declared one."""
    task, until = params.task, params.ingest.until
    if task.time is None:
        return {}
    column = SCHEMA.columns[task.time]
    latest = pa.Check(
        lambda data: data.lazyframe.select(pl.col(data.key).cast(pl.Date) <= until),
        name=f"until {until}",
        error=f"not after {until}, the declared ingest.until",
    )
    return {task.time: pa.Column(column.dtype.type, [*column.checks, latest], nullable=False)}


def failures(
    schema: pa.DataFrameSchema, file: Path, quoted: int
) -> Iterator[tuple[str, str, int, list[str]]]:
    """Column, check, number of rows and quoted examples of each broken rule in one file."""
    # Without this depth pandera checks the types of a LazyFrame and none of its values.
    with config_context(validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(pl.scan_parquet(file), lazy=True)
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
    for column, check, rows, found, index in grouped.select(
        "column", "check", "len", "failure_case", "index"
    ).iter_rows():
        places = zip(found, index, strict=True)
        yield column or "", check, rows, [example(value, file, row) for value, row in places]


def example(value: object, file: Path, row: int | None) -> str:
    """A quoted value with its file and row; rows count from 1."""
    where = code(file.name) if row is None else f"{code(file.name)} row {row + 1:,}"
    return f"{code('missing' if value is None else str(value))} in {where}"


def doubled(files: list[Path], key: str, quoted: int) -> Iterator[tuple[int, list[str]]]:
    """Rows whose key another row has too: keys meet by hash, then those that met are looked at."""
    rows = count(files)
    scan = pl.scan_parquet(files).select(pl.col(key).hash().alias("hash"))
    passes = rows // KEYS_AT_ONCE + 1
    distinct = 0
    for part in range(passes):
        hashes = scan.filter(pl.col("hash") % passes == part) if passes > 1 else scan
        distinct += hashes.select(pl.col("hash").n_unique()).collect(engine="streaming").item()
    if distinct == rows:
        return
    keys = pl.scan_parquet(files, include_file_paths="file").select(key, "file")
    place = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("file").alias("row")
    meet = keys.with_columns(place).filter(pl.len().over(key) > 1).sort(key, "file", "row").collect()
    if meet.height:
        first = meet.head(quoted).iter_rows()
        yield meet.height, [example(value, Path(file), row - 1) for value, file, row in first]


def count(files: list[Path]) -> int:
    return int(pl.scan_parquet(files).select(pl.len()).collect().item()) if files else 0
