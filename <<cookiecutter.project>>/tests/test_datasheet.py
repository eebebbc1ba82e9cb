"""The data sheet tells what the table holds, and of no other table."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
import yaml
from conftest import change, load
from situations import HOSTILE

datasheet, errors, text = load("reporting.datasheet"), load("errors"), load("text")


def sheet(params: Any, folder: Path, output: Path, **changed: str) -> str:
    """The sheet of a folder with train and holdout, with plain spaces."""
    found = {name: datasheet.digest(folder / name) for name in ("train", "holdout")} | changed
    outs = [{"path": f"data/{name}", "md5": md5} for name, md5 in found.items()]
    lock = output.with_name("dvc.lock")
    lock.write_text(yaml.safe_dump({"stages": {"split": {"outs": outs}}}))
    datasheet.run(params, folder / "train", folder / "holdout", lock, output)
    return output.read_text(encoding="utf-8").replace(text.NARROW, " ")


@pytest.fixture
def houses(params: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Another table: a regression without dates; the first ten sizes and quarters are missing."""
    columns = {
        "house": pa.Column(pl.Int64, pa.Check.ge(0)),
        "size": pa.Column(pl.Float64, nullable=True),
        "quarter": pa.Column(pl.String, nullable=True),
        "price": pa.Column(pl.Float64, pa.Check(lambda data: True, error="a rule | of ours")),
    }
    monkeypatch.setattr(datasheet, "SCHEMA", pa.DataFrameSchema(columns, strict=True))
    monkeypatch.setattr(datasheet.ingest, "SOURCES", {"houses.csv": "a" * 64}, raising=False)
    gap = np.arange(1000) < 10
    table = pl.DataFrame(
        {
            "house": np.arange(1000),
            "size": np.where(gap, np.nan, np.arange(1000.0)),
            "quarter": [None if one else "north" if i % 2 else "odd" for i, one in enumerate(gap)],
            "price": np.arange(1000.0),
        }
    )
    write(table, tmp_path)
    roles: dict[str, Any] = {"key": "house", "target": "price", "time": None, "cluster": None}
    roles |= {"kind": "regression", "numeric": ["size"], "categorical": ["quarter"]}
    return change(params, task=roles, ingest={"until": None}, evaluate={"sensitive": ["quarter"]})


def write(table: pl.DataFrame, folder: Path) -> None:
    for name in ("train", "holdout"):
        (folder / name).mkdir(exist_ok=True)
        table.write_parquet(folder / name / "rows.parquet")


def test_it_says_how_the_held_out_rows_differ_from_those_to_train_on(
    houses: Any, tmp_path: Path
) -> None:
    for name, shift in (("train", 0), ("holdout", 900)):
        rows = pl.read_parquet(tmp_path / name / "rows.parquet")
        rows.with_columns(pl.col("size") + shift).write_parquet(tmp_path / name / "rows.parquet")
    told = sheet(houses, tmp_path, tmp_path / "datasheet.md")
    drifted = told.split("### Drift of the held-out rows")[1].split("\n### ")[0]
    assert re.search(r"1 of \d columns changed.*: `size`", drifted), drifted


def test_the_table_of_this_project_has_a_sheet(params: Any, made: Path, tmp_path: Path) -> None:
    """Every column of the contract, the rows of either side, the licence and the batches."""
    told = sheet(params, made, tmp_path / "datasheet.md")
    for name in load("schema").SCHEMA.columns:
        assert f"| {text.cell(name)} |" in told
    for side in ("train", "holdout"):
        rows = pl.scan_parquet(made / side / "*.parquet").select(pl.len()).collect().item()
        assert f"| {rows:,} |" in told
        assert datasheet.digest(made / side) in told
    assert params.card.data_licence in told
    batches = told.split("| Batch |")[1].split("\n\n")[0]
    assert len(batches.splitlines()) == 2 + len(list((made / "valid").iterdir()))


def test_quantiles_shares_and_gaps_are_those_of_the_rows(houses: Any, tmp_path: Path) -> None:
    """Known answers; a number that is none counts as missing."""
    told = sheet(houses, tmp_path, tmp_path / "datasheet.md")
    assert "| `size` | number | `Float64` | 10 <sub>1.0 %</sub> | 10 <sub>1.0 %</sub> | – |" in told
    assert "| `size` | 10 | 504 <sub>(59 to 950)</sub> | 999 |" in told
    assert "| `quarter` | `north` | 495 |" in told and "49.5 %" in told
    assert "| `quarter` | category, sensitive | `String` | 10 <sub>1.0 %</sub> |" in told
    assert "| `To train on` | 0 | 500 <sub>(50 to 949)</sub> | 999 |" in told
    assert "| To train on | 1,000 | – | – |" in told and "dated" not in told
    assert "| `house` | key | `Int64` | none | none | `greater_than_or_equal_to(0)` |" in told
    assert f"| Source `houses.csv` | sha256 `{'a' * 64}` |" in told


def test_a_value_that_few_rows_have_is_not_named(houses: Any, tmp_path: Path) -> None:
    """It may be somebody's."""
    names = ["north"] * 985 + [f"Jane Doe {i % 2}" for i in range(15)]
    table = pl.read_parquet(tmp_path / "train/rows.parquet")
    write(table.with_columns(pl.Series("quarter", names)), tmp_path)
    told = sheet(houses, tmp_path, tmp_path / "datasheet.md")
    assert "Jane" not in told and "| 2 other values | 15 |" in told


@pytest.mark.parametrize("values", [[None] * 4, [float("inf"), 1.0, 2.0, None], [3.0] * 4])
def test_odd_columns_are_shown(houses: Any, tmp_path: Path, values: list[Any]) -> None:
    """Nothing known, infinity, and a constant."""
    table = pl.read_parquet(tmp_path / "train/rows.parquet").head(4)
    table = table.with_columns(pl.Series("size", values, dtype=pl.Float64))
    write(table.with_columns(pl.lit(None, pl.String).alias("quarter")), tmp_path)
    told = sheet(houses, tmp_path, tmp_path / "datasheet.md")
    assert "| `size` |" in told.split("### Distributions")[1]
    assert "| `quarter` | – | – | – |" in told


def test_hostile_text_is_shown_and_does_nothing(
    houses: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of columns, values, batches, and what people say."""
    for said in filter(None, HOSTILE):
        columns = {**datasheet.SCHEMA.columns, said: pa.Column(pl.String)}
        monkeypatch.setattr(datasheet, "SCHEMA", pa.DataFrameSchema(columns, strict=True))
        monkeypatch.setattr(datasheet.ingest, "__doc__", said)
        table = pl.read_parquet(tmp_path / "train/rows.parquet").select("house", "size", "price")
        lines = table.with_columns(pl.lit(said).alias(said), pl.lit(said).alias("quarter"))
        write(lines, tmp_path)
        other = {name: said for name in ("purpose", "owner", "data_licence")}
        told = sheet(change(houses, card=other), tmp_path, tmp_path / "datasheet.md")
        bare = re.sub(r"(`+).+?\1", "", told)
        assert not any(bad in bare for bad in ("@octocat", "<script", "![", "# title")), bare
        assert "\u202e" not in told and max(map(len, told.splitlines())) < 2500
        columns.pop(said)
        monkeypatch.setattr(datasheet, "SCHEMA", pa.DataFrameSchema(columns, strict=True))


@pytest.mark.parametrize("name", ["train", "holdout"])
def test_another_table_than_the_lock_s_is_refused(
    params: Any, made: Path, tmp_path: Path, name: str
) -> None:
    """In one sentence, with nothing written."""
    with pytest.raises(errors.ProjectError, match=rf"{name} is not what .* names"):
        sheet(params, made, tmp_path / "datasheet.md", **{name: "0" * 32 + ".dir"})
    assert not (tmp_path / "datasheet.md").exists()
