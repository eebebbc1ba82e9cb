"""Batch scoring: every row is scored as it was judged, or rejected with its reason."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
from conftest import ROOT, change, load
from sklearn.linear_model import Ridge

Predict = Callable[..., pl.DataFrame]


def lock(model: Path, folder: Path) -> Path:
    """A dvc.lock that names the model."""
    md5 = hashlib.md5(model.read_bytes(), usedforsecurity=False).hexdigest()
    text = json.dumps({"stages": {"train": {"outs": [{"path": str(model), "md5": md5}]}}})
    (folder / "dvc.lock").write_text(text)  # JSON is YAML
    return folder / "dvc.lock"


@pytest.fixture
def held(made: Path) -> pl.DataFrame:
    return pl.read_parquet(made / "holdout/*.parquet")


@pytest.fixture
def predict(params: Any, made: Path, tmp_path: Path) -> Predict:
    """Score a table, a file or a folder, with some keys of `predict` replaced."""

    def call(source: pl.DataFrame | Path, output: str = "out.parquet", **keys: Any) -> pl.DataFrame:
        if isinstance(source, pl.DataFrame):
            source.write_parquet(tmp_path / "rows.parquet")
            source = tmp_path / "rows.parquet"
        target, model = tmp_path / output, made / "model.skops"
        files = (model, lock(model, tmp_path), source, target, tmp_path / "log")
        load("predict").run(change(params, predict=keys), *files)
        return pl.read_parquet(target)

    return call


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_scores_are_those_that_the_model_was_judged_by(
    made: Path, held: pl.DataFrame, tmp_path: Path, kind: str
) -> None:
    """To the last bit, from CSV and from Parquet, by the command that `make predict` calls."""
    rows = tmp_path / f"rows.{kind}"
    held.write_csv(rows) if kind == "csv" else held.write_parquet(rows)
    files = (lock(made / "model.skops", tmp_path), rows, tmp_path / "out.parquet", tmp_path / "log")
    assert load("cli").main(["predict", str(made / "model.skops"), *map(str, files)]) == 0
    judged = pl.read_parquet(made / "predictions.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet")["score"].equals(judged["score"])


@pytest.mark.parametrize("size", [1, 7, 10**9])
def test_how_many_rows_are_read_at_once_changes_nothing(
    predict: Predict, held: pl.DataFrame, size: int
) -> None:
    """The same rows in the same order, with the same scores."""
    some = held.head(50)
    whole, parts = predict(some), predict(some, rows_at_once=size)
    assert parts.drop("score", "scored_at").equals(whole.drop("score", "scored_at"))
    assert np.allclose(parts["score"].to_list(), whole["score"].to_list(), rtol=1e-9, atol=0)


def test_a_folder_is_one_table(predict: Predict, held: pl.DataFrame, tmp_path: Path) -> None:
    """CSV beside Parquet, with the target and without, in the order of their names."""
    target = load("params").load().task.target
    folder = tmp_path / "rows"
    folder.mkdir()
    held[20:40].write_csv(folder / "b.csv")
    held[:20].drop(target).write_parquet(folder / "a.parquet")
    (folder / "_SUCCESS").touch()
    assert predict(folder, rows_at_once=7)["score"].equals(predict(held[:40])["score"])
    (folder / "notes.txt").touch()
    with pytest.raises(load("errors").ProjectError, match=r"notes\.txt"):
        predict(folder)


def test_each_row_says_who_scored_it_and_when(
    predict: Predict, params: Any, made: Path, held: pl.DataFrame, tmp_path: Path
) -> None:
    """And the log holds what a monitor needs: the rows themselves beside their scores."""
    found = predict(held.head(9), rows_at_once=4)
    md5 = hashlib.md5((made / "model.skops").read_bytes(), usedforsecurity=False).hexdigest()
    assert found.columns == [params.task.key, "score", "model_version", "model_md5", "scored_at"]
    assert found["model_md5"].unique().to_list() == [md5]
    assert found["scored_at"].n_unique() == 1
    assert str(found["scored_at"].dtype) == "Datetime(time_unit='us', time_zone='UTC')"
    predict(held.head(2))
    first, second = (pl.read_parquet(file) for file in sorted((tmp_path / "log").iterdir()))
    assert second.height == 2 and second["scored_at"][0] > first["scored_at"][0]
    assert first.drop("row", "latency_ms").equals(found.rename({params.task.key: "key"}))
    contract = list(load("schema").SCHEMA.columns)
    assert first["row"].struct.unnest().equals(held.select(contract).head(9))


def test_a_bad_row_is_rejected_with_its_reason(
    predict: Predict, params: Any, held: pl.DataFrame, tmp_path: Path, capsys: Any
) -> None:
    """Column, rule, file and row number; the other rows are scored, and both are counted."""
    key = params.task.key
    second = pl.int_range(pl.len()) == 1
    rows = held.head(9).with_columns(pl.when(~second).then(pl.col(key)).alias(key))
    expected = [*held[key][:1], *held[key][2:9]]
    assert predict(rows, rows_at_once=4)[key].to_list() == expected
    found = pl.read_parquet(tmp_path / "out.rejected.parquet")
    assert found.rows() == [("rows.parquet", 2, key, "not_nullable", None)]
    assert re.search("8 rows scored into .*; 1 rows rejected, see", capsys.readouterr().out)
    predict(held.head(9))
    assert not (tmp_path / "out.rejected.parquet").exists()


def test_a_cell_of_another_type_is_a_bad_row(
    predict: Predict, params: Any, held: pl.DataFrame, tmp_path: Path
) -> None:
    """A word where CSV should have a number; nothing is read as missing that is there."""
    if not params.task.numeric:
        pytest.skip("no feature is a number")
    name = params.task.numeric[-1]
    fifth = pl.int_range(pl.len()) == 4
    cells = pl.when(fifth).then(pl.lit("many")).otherwise(pl.col(name).cast(pl.String))
    held.head(9).with_columns(cells.alias(name)).write_csv(tmp_path / "rows.csv")
    assert predict(tmp_path / "rows.csv", rows_at_once=2).height == 8
    ((file, row, column, rule, value),) = pl.read_parquet(
        tmp_path / "out.rejected.parquet"
    ).iter_rows()
    assert (file, row, column, value) == ("rows.csv", 5, name, "many")
    assert rule.startswith("type ")


@pytest.mark.parametrize("size", [1, 100])
def test_a_key_that_comes_again_is_rejected_wherever_it_is(
    predict: Predict, params: Any, held: pl.DataFrame, tmp_path: Path, size: int
) -> None:
    """In another part or another file: nobody can say which of the rows is meant."""
    folder = tmp_path / "rows"
    folder.mkdir()
    held[:9].write_parquet(folder / "a.parquet")
    held[8:12].write_csv(folder / "b.csv")
    key = params.task.key
    expected = [*held[key][:8], *held[key][9:12]]
    assert predict(folder, rows_at_once=size)[key].to_list() == expected
    found = pl.read_parquet(tmp_path / "out.rejected.parquet")
    assert found["file"].to_list() == ["a.parquet", "b.csv"]
    assert found["row"].to_list() == [9, 1]
    assert found["rule"].to_list() == ["unique", "unique"]


def test_a_bad_row_can_stop_everything(
    predict: Predict, params: Any, held: pl.DataFrame, tmp_path: Path
) -> None:
    """Then nothing is written, not even to the log."""
    rows = pl.concat([held.head(9), held.head(1)])
    with pytest.raises(load("errors").ProjectError) as error:
        predict(rows, rows_at_once=4, bad_rows="stop")
    assert f"| `{params.task.key}` | `unique` | 1 |" in str(error.value)
    assert "`rows.parquet` row 1" in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == {"dvc.lock", "rows.parquet"}


def test_rows_of_which_none_is_good_are_an_error(
    predict: Predict, held: pl.DataFrame, tmp_path: Path
) -> None:
    """An empty output would look like a success; the reasons are there."""
    with pytest.raises(load("errors").ProjectError, match=r"no row of .* 2 rows rejected"):
        predict(pl.concat([held.head(1), held.head(1)]))
    assert pl.read_parquet(tmp_path / "out.rejected.parquet").height == 2
    assert not (tmp_path / "out.parquet").exists() and not (tmp_path / "log").exists()


def test_a_file_without_a_column_is_refused(
    predict: Predict, params: Any, held: pl.DataFrame, tmp_path: Path
) -> None:
    """No row can be blamed for it: whatever `bad_rows` says, it stops everything."""
    with pytest.raises(load("errors").ProjectError, match=r"column is there"):
        predict(held.drop(params.task.features[0]))
    assert not (tmp_path / "out.parquet").exists()


def test_a_model_that_the_lock_does_not_name_is_not_opened(
    params: Any, made: Path, held: pl.DataFrame, tmp_path: Path
) -> None:
    """Were it a harmless one: what scores is what was reviewed."""
    model = Path(shutil.copy(made / "model.skops", tmp_path))
    files = (lock(model, tmp_path), tmp_path / "rows.parquet", tmp_path / "out.csv", tmp_path)
    held.write_parquet(files[1])
    model.write_bytes(model.read_bytes() + b" ")
    with pytest.raises(load("errors").ProjectError, match=r"is not the model that dvc\.lock names"):
        load("predict").run(params, model, *files)
    files[0].write_text("stages: {}")
    with pytest.raises(load("errors").ProjectError, match=r"names no .*model"):
        load("predict").run(params, model, *files)


@pytest.mark.parametrize("output", ["rows.parquet", "rows/out.csv"])
def test_the_output_is_none_of_the_inputs(
    predict: Predict, held: pl.DataFrame, tmp_path: Path, output: str
) -> None:
    """What is to be scored is never overwritten, and what was scored never read as input."""
    source: Any = held
    if output.startswith("rows/"):
        source = tmp_path / "rows"
        source.mkdir()
        held.write_csv(source / "a.csv")
    with pytest.raises(load("errors").ProjectError, match="the files to score"):
        predict(source, output=output)


@pytest.mark.parametrize(
    ("source", "output", "words"),
    [
        ("", "out.csv", "INPUT is empty: make predict INPUT="),
        ("nowhere.csv", "out.csv", r"INPUT is 'nowhere.csv', which is not there"),
        ("rows.csv", "", r"OUTPUT is '\.': name a file"),
        ("rows.csv", "/", "OUTPUT is '/': name a file"),
        ("rows.csv", "out.json", "OUTPUT is 'out.json': name a file"),
    ],
)
def test_a_name_that_is_not_given_is_asked_for(
    params: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    output: str,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a\n1\n")
    files = (Path("model.skops"), Path("dvc.lock"), Path(source), Path(output), Path("log"))
    with pytest.raises(load("errors").ProjectError, match=words):
        load("predict").run(params, *files)


def test_cells_may_hold_line_breaks_and_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of a CSV file ends where a row ends, wherever the reading stops."""
    batches = load("batches")
    table = pl.DataFrame({"key": range(300), "text": ['a\n"b"\r\n,', "c", None] * 100})
    table.write_csv(tmp_path / "rows.csv")
    for block in (1, 7, 10**6):
        monkeypatch.setattr(batches, "BLOCK", block)
        parts = batches.read(tmp_path / "rows.csv", 11, {"key": pl.Int64})
        assert pl.concat(part.rows for part in parts).equals(table)


def test_a_quote_that_is_not_closed_is_refused(tmp_path: Path) -> None:
    """What reads otherwise in parts than at once is not guessed at."""
    batches = load("batches")
    (tmp_path / "rows.csv").write_text('key,text\n1,"a\n2,b\n3,c\n')
    with pytest.raises(load("errors").ProjectError, match=r"rows\.csv"):
        list(batches.read(tmp_path / "rows.csv", 11, {"key": pl.Int64}))


HOSTILE = ["a,'b'", "line\nbreak", "$(touch owned)", "../up", "{x}", "score", "row", "index"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_may_be_called_anything(
    params: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Names that mean something to CSV, a shell, a path, or to the output itself."""
    # polars does not undo a doubled quote in the header of a CSV file: such a file is refused
    numbers = [*HOSTILE, 'say "hi"'] if kind == "parquet" else HOSTILE
    names = dict.fromkeys(numbers, pa.Column(pl.Float64, pa.Check.ge(0)))
    contract = {"model_md": pa.Column(pl.String), **names, "truth |": pa.Column(pl.Float64)}
    monkeypatch.setattr(load("predict"), "SCHEMA", pa.DataFrameSchema(contract, strict=True))
    roles = {"key": "model_md", "target": "truth |", "numeric": numbers, "categorical": []}
    params = change(params, task={"kind": "regression", "time": None, **roles})
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"model_md": list("abcdefgh")} | {name: rng.random(8) for name in numbers})
    model = load("model")
    fitted = model.build(params.task, "onehot", Ridge())
    fitted.fit(model.features(rows, params.task), np.arange(8.0))
    (tmp_path / "model.skops").write_bytes(model.dump(fitted))
    rows[2, "a,'b'"] = -1.0
    source = tmp_path / f"rows.{kind}"
    rows.write_csv(source) if kind == "csv" else rows.write_parquet(source)
    files = (tmp_path / "model.skops", lock(tmp_path / "model.skops", tmp_path), source)
    load("predict").run(params, *files, tmp_path / "out.csv", tmp_path / "log")
    assert pl.read_csv(tmp_path / "out.csv")["model_md"].to_list() == list("abdefgh")
    (reason,) = pl.read_csv(tmp_path / "out.rejected.csv").iter_rows()
    assert reason[1:4] == (3, "a,'b'", "greater_than_or_equal_to(0)")


def test_make_predict_calls_this_command() -> None:
    """With the lock that names the model, and the log that monitoring reads, which git ignores."""
    assert "predict models/model.skops dvc.lock" in (ROOT / "Makefile").read_text()
    assert "/predictions/\n" in (ROOT / ".gitignore").read_text()
