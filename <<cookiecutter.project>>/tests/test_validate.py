"""The contract passes the sample rows and refuses what breaks it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import first, load

COLUMNS = load("schema").SCHEMA.columns
REQUIRED = [name for name, column in COLUMNS.items() if not column.nullable]


def refusal(params: Any, raw: Path) -> str:
    """The table with which `validate` refuses the files; it must be on disk too."""
    out = raw.parent
    with pytest.raises(load("errors").ProjectError) as error:
        load("validate").run(params, raw, out / "valid", out / "data.json", out / "violations.md")
    assert not (out / "valid").exists()
    table = (out / "violations.md").read_text(encoding="utf-8").split("\n\n")[1].strip()
    assert table in str(error.value)
    return table


def test_the_sample_keeps_the_contract(params: Any, sample: Path, tmp_path: Path) -> None:
    """What passes is handed on byte for byte. After a change of table: `make sample`."""
    valid = tmp_path / "valid"
    load("validate").run(params, sample, valid, tmp_path / "data.json", tmp_path / "violations.md")
    for file in sample.iterdir():
        assert (valid / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_that_is_not_there_is_refused(params: Any, sample: Path, name: str) -> None:
    """Every column of the contract is needed."""
    file, rows = first(sample)
    rows.drop(name).write_parquet(file)
    assert f"`{name}` | `column is there`" in refusal(params, sample)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_value_is_refused(params: Any, sample: Path, name: str) -> None:
    """A value may be missing only where the contract says so."""
    file, rows = first(sample)
    hole = pl.when(pl.int_range(pl.len()) == 1).then(None).otherwise(pl.col(name)).alias(name)
    rows.with_columns(hole).write_parquet(file)
    assert f"`missing` in `{file.name}` row 2" in refusal(params, sample)


def test_a_wrong_type_is_refused(params: Any, sample: Path) -> None:
    """A number that arrives as text is no number."""
    file, rows = first(sample)
    name = params.task.features[0]
    rows.with_columns(pl.col(name).cast(pl.Binary, strict=False)).write_parquet(file)
    assert f"`{name}` | `type" in refusal(params, sample)


def test_an_unknown_column_is_refused(params: Any, sample: Path) -> None:
    """A column gets in by the contract or not at all."""
    file, rows = first(sample)
    rows.with_columns(pl.lit(1).alias("surprise")).write_parquet(file)
    assert "`surprise` | `column is in the contract`" in refusal(params, sample)


def test_a_doubled_key_is_refused(params: Any, sample: Path) -> None:
    """Both rows are counted, and shown with their places."""
    file, rows = first(sample)
    pl.concat([rows, rows.head(1)]).write_parquet(file)
    table = refusal(params, sample)
    assert f"`{params.task.key}` | `unique` | 2" in table
    assert f"row {rows.height + 1:,}" in table


def test_a_row_after_the_declared_date_is_refused(params: Any, sample: Path) -> None:
    """Tomorrow's rows cannot be in today's data."""
    if params.task.time is None:
        pytest.skip("the table has no time")
    file, rows = first(sample)
    late = pl.lit(params.ingest.until + timedelta(days=1))
    name = params.task.time
    rows.with_columns(late.cast(rows.schema[name]).alias(name)).write_parquet(file)
    assert f"not after {params.ingest.until}" in refusal(params, sample)


@pytest.mark.parametrize("content", [b"", b"not a table", None], ids=["empty", "text", "cut"])
def test_a_file_that_is_no_table_is_refused(
    params: Any, sample: Path, content: bytes | None
) -> None:
    """Empty, foreign and truncated files are named."""
    file, _ = first(sample)
    file.write_bytes(file.read_bytes()[:-100] if content is None else content)
    assert f"`is a Parquet table` | 0 | `{file.name}`" in refusal(params, sample)


def test_no_file_at_all_is_refused(params: Any, tmp_path: Path) -> None:
    """An empty folder is no data."""
    (tmp_path / "raw").mkdir()
    assert "at least one file" in refusal(params, tmp_path / "raw")
