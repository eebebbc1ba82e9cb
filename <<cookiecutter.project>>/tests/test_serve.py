"""Serving without the server: what a request is answered, and what is logged of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import ROOT, load
from test_predict import lock


class Log(list[pl.DataFrame]):
    """A log that is looked at."""

    add = list.append


@pytest.fixture(scope="module")
def champion(params: Any, made: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    model = made / "model.skops"
    return load("answers").load(params, model, lock(model, tmp_path_factory.mktemp("lock")))


@pytest.fixture
def held(made: Path) -> pl.DataFrame:
    return pl.read_parquet(made / "holdout/*.parquet").head(40)


def split(rows: pl.DataFrame) -> bytes:
    data = [list(row.values()) for row in json.loads(rows.write_json())]
    return json.dumps({"dataframe_split": {"columns": rows.columns, "data": data}}).encode()


def records(rows: pl.DataFrame) -> bytes:
    return json.dumps({"dataframe_records": json.loads(rows.write_json())}).encode()


def csv(rows: pl.DataFrame) -> bytes:
    return rows.write_csv().encode()


SHAPES = [(split, "application/json"), (records, "application/json"), (csv, "text/csv")]


def ask(champion: Any, content: bytes, kind: str = "application/json") -> tuple[int, Any, Log]:
    log = Log()
    status, answer = champion.answer(content, kind, log)
    return status, json.loads(answer), log


def refused(champion: Any, content: bytes, kind: str = "application/json") -> Any:
    """The body of a 400; nothing is logged."""
    status, answer, log = ask(champion, content, kind)
    assert (status, answer["error_code"], log) == (400, "BAD_REQUEST", [])
    assert "stack_trace" not in answer and "Traceback" not in str(answer)
    return answer


@pytest.fixture(scope="module")
def scored(params: Any, made: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """What batch scoring logs of the same rows."""
    folder = tmp_path_factory.mktemp("scored")
    model, rows = made / "model.skops", folder / "rows.parquet"
    pl.read_parquet(made / "holdout/*.parquet").head(40).write_parquet(rows)
    places = (rows, folder / "out.parquet", folder / "log")
    load("predict").run(params, model, lock(model, folder), *places)
    return pl.read_parquet(places[2] / "*.parquet")


@pytest.mark.parametrize(("shape", "kind"), SHAPES)
def test_an_answer_is_what_batch_scoring_writes(
    params: Any, champion: Any, held: pl.DataFrame, scored: pl.DataFrame, shape: Any, kind: str
) -> None:
    """Key, score, model and time; the score to the last bit, with the target and without."""
    names = [params.task.key, "score", "model_version", "model_md5", "scored_at"]
    for rows in (held, held.drop(params.task.target)):
        status, answer, _ = ask(champion, shape(rows), kind)
        assert status == 200 and [list(row) for row in answer["predictions"]] == 40 * [names]
        assert [row["score"] for row in answer["predictions"]] == scored["score"].to_list()
        assert {row["model_md5"] for row in answer["predictions"]} == {champion.identity.model_md5}


@pytest.mark.parametrize(("shape", "kind"), SHAPES)
def test_what_is_logged_is_what_batch_scoring_logs(
    champion: Any, held: pl.DataFrame, scored: pl.DataFrame, shape: Any, kind: str
) -> None:
    """The same columns of the same types, and the whole row; the time that a request took is
    known of requests alone."""
    _, answer, (entries,) = ask(champion, shape(held), kind)
    own = "scored_at", "latency_ms"
    assert entries.schema == scored.schema
    assert entries.drop(own).equals(scored.drop(own))
    assert entries["latency_ms"].n_unique() == 1 and entries["latency_ms"][0] > 0
    said = {row["scored_at"] for row in answer["predictions"]}
    assert said == {entries["scored_at"][0].strftime("%Y-%m-%dT%H:%M:%S.%fZ")}


@pytest.mark.parametrize(("shape", "kind"), SHAPES)
def test_a_bad_row_is_refused_with_column_rule_and_row(
    params: Any, champion: Any, held: pl.DataFrame, shape: Any, kind: str
) -> None:
    """Rows count from 0, all that is wrong is named, and no row is scored."""
    key = params.task.key
    bad = pl.int_range(pl.len()).is_in([3, 7])
    rows = held.with_columns(pl.when(~bad).then(pl.col(key)).alias(key))
    answer = refused(champion, shape(rows), kind)
    assert answer["bad_rows"] == 2
    wanted = [{"row": row, "column": key, "rule": "not_nullable", "value": None} for row in (3, 7)]
    assert answer["reasons"] == wanted
    assert f"2 of 40 rows break the contract, schema.py: row 3, {key}: " in answer["message"]


@pytest.mark.parametrize(("shape", "kind"), SHAPES)
def test_a_cell_of_another_type_is_refused(
    params: Any, champion: Any, held: pl.DataFrame, shape: Any, kind: str
) -> None:
    """A word where a number should be."""
    if not params.task.numeric:
        pytest.skip("no feature is a number")
    name = params.task.numeric[-1]
    fifth = pl.int_range(pl.len()) == 4
    cells = pl.when(fifth).then(pl.lit("many")).otherwise(pl.col(name).cast(pl.String))
    rows = held.with_columns(cells.alias(name))[4:5]
    (reason,) = refused(champion, shape(rows), kind)["reasons"]
    assert (reason["row"], reason["column"], reason["value"]) == (0, name, "many")
    assert reason["rule"].startswith("type ")


def test_a_key_that_comes_twice_is_refused(params: Any, champion: Any, held: pl.DataFrame) -> None:
    """In one request; another one may ask for it again."""
    twice = pl.concat([held.head(2), held.head(1)])
    found = refused(champion, split(twice))["reasons"]
    assert [(reason["row"], reason["rule"]) for reason in found] == [(0, "unique"), (2, "unique")]
    assert [ask(champion, split(held.head(1)))[0] for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(("shape", "kind"), SHAPES)
def test_columns_are_those_of_the_contract(
    params: Any, champion: Any, held: pl.DataFrame, shape: Any, kind: str
) -> None:
    """One that is missing and one that nobody knows, in one answer."""
    missing = params.task.features[0]
    rows = held.drop(missing).with_columns(pl.lit(1).alias("no such column"))
    found = refused(champion, shape(rows), kind)["reasons"]
    assert [(reason["row"], reason["column"], reason["rule"]) for reason in found] == [
        (None, missing, "column is there"),
        (None, "no such column", "column is in the contract"),
    ]


def test_many_bad_rows_are_counted_and_some_are_named(
    params: Any, champion: Any, held: pl.DataFrame
) -> None:
    """An answer stays small."""
    rows = pl.concat([held.head(1)] * 300)
    answer = refused(champion, split(rows))
    assert answer["bad_rows"] == 300 and len(answer["reasons"]) == load("payload").SHOWN


@pytest.mark.parametrize(("shape", "kind"), SHAPES)
def test_too_many_rows_are_not_read(
    params: Any, champion: Any, held: pl.DataFrame, shape: Any, kind: str
) -> None:
    """As few bytes as make a row would fill the memory."""
    few = replace(champion, wanted=replace(champion.wanted, rows=39))
    assert ask(few, shape(held.head(39)), kind)[0] == 200
    assert "has 40 rows" in refused(few, shape(held), kind)["message"]


DEEP = b"[" * 100_000
HOSTILE = {
    "an empty body": (b" \n", "the body is empty"),
    "half a body": (b'{"dataframe_split": {"col', "is not understood"),
    "no JSON": (b"\xff\xfe\x00", "is not understood"),
    "depth": (b'{"dataframe_records": ' + DEEP, "is not understood"),
    "another shape": (b'{"inputs": [1]}', "dataframe_split"),
    "no shape": (b"{}", "must hold one table"),
    "both shapes": (
        b'{"dataframe_records": [{}], "dataframe_split": {"columns": [], "data": []}}',
        "must hold one table",
    ),
    "no rows": (b'{"dataframe_records": []}', "holds no row"),
    "a number for rows": (b'{"dataframe_records": 7}', "is not understood"),
    "a row that is none": (b'{"dataframe_records": [7]}', "is not understood"),
    "not a number": (b'{"dataframe_records": [{"a": NaN}]}', "is not understood"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_body_that_is_no_table_is_one_sentence(champion: Any, name: str) -> None:
    content, words = HOSTILE[name]
    assert words in refused(champion, content)["message"]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"a,b\n1,2,3\n", b'"a\n', b"\n\n\n", b"\x00" * 99]
)
def test_a_body_that_is_no_csv_is_one_sentence(champion: Any, content: bytes) -> None:
    refused(champion, content, "text/csv")


def test_rows_of_other_lengths_and_columns_that_come_twice(
    champion: Any, held: pl.DataFrame
) -> None:
    """No cell is guessed to be another column's."""
    body = json.loads(split(held.head(2)))
    body["dataframe_split"]["data"][1].pop()
    assert "row 1 has" in refused(champion, json.dumps(body).encode())["message"]
    columns = body["dataframe_split"]["columns"]
    columns[0] = columns[1]
    found = refused(champion, json.dumps(body).encode())["reasons"]
    assert "column is there once" in [reason["rule"] for reason in found]


@pytest.mark.parametrize(
    ("dtype", "given", "read", "lost"),
    [
        (pl.Int32, [1, None, 2**31, 1.5, "1", True, 10**30], [1] + 6 * [None], [2, 3, 4, 5, 6]),
        (pl.Float64, [1, 0.1, None, "1", False, []], [1.0, 0.1] + 4 * [None], [3, 4, 5]),
        (pl.Boolean, [True, None, 1, "true"], [True, None, None, None], [2, 3]),
        (pl.String, ["", None, 1, {}], ["", None, None, None], [2, 3]),
        (pl.Date, ["2013-06-30", None, "30.6.", 1], ["2013-06-30", None, None, None], [2, 3]),
    ],
)
def test_json_is_read_as_what_it_says(dtype: Any, given: Any, read: Any, lost: Any) -> None:
    """A text is no number, a truth is none either, and what is too large is not cut."""
    series, misread = load("payload").column("a", given, dtype)
    expected = pl.Series("a", read)
    assert series.equals(expected.str.to_date() if dtype == pl.Date else expected.cast(dtype))
    assert misread["row"].to_list() == lost
    assert misread["value"].to_list() == [str(given[place]) for place in lost]


def test_the_model_is_that_of_the_lock(params: Any, made: Path, tmp_path: Path) -> None:
    """Who answers, and nothing does if it is another one."""
    model = made / "model.skops"
    found = load("answers").load(params, model, lock(model, tmp_path))
    book = load("logbook").Logbook(tmp_path / "log")
    book.close()
    said = found.about(book)
    assert (said["status"], said["model_md5"]) == ("ok", found.identity.model_md5)
    other = tmp_path / "model.skops"
    other.write_bytes(model.read_bytes() + b" ")
    forged = (tmp_path / "dvc.lock").read_text().replace(str(model), str(other))
    (tmp_path / "dvc.lock").write_text(forged)
    with pytest.raises(load("errors").ProjectError, match=r"is not the model that dvc\.lock names"):
        load("answers").load(params, other, tmp_path / "dvc.lock")


def test_the_log_is_written_when_a_server_ends(
    champion: Any, held: pl.DataFrame, tmp_path: Path
) -> None:
    """What was answered is there, in whole files."""
    book = load("logbook").Logbook(tmp_path / "log")
    for row in range(9):
        champion.answer(split(held[row]), "application/json", book)
    book.close()
    found = pl.read_parquet(tmp_path / "log/*.parquet")
    assert sorted(found["key"]) == sorted(held.head(9)[champion.task.key])
    assert book.state() == {"written": 9, "waiting": 0, "lost": 0}
    assert all(file.suffix == ".parquet" for file in (tmp_path / "log").iterdir())


def test_a_log_that_cannot_be_written_costs_no_answer(
    champion: Any, held: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Rows are kept for later, as many as there is room for; the rest is counted."""
    logbook = load("logbook")
    monkeypatch.setattr(logbook, "MOST", 6)
    monkeypatch.setattr(logbook, "SECONDS", 3600)  # it writes when the test says so
    book = logbook.Logbook(tmp_path / "log")
    (tmp_path / "log").rmdir()
    for rows in (held[:1], held[1:5], held[5:9]):
        assert champion.answer(split(rows), "application/json", book)[0] == 200
        book.write()
    assert book.state() == {"written": 0, "waiting": 6, "lost": 3}
    assert capsys.readouterr().err.count("cannot be written") == 1
    (tmp_path / "log").mkdir()
    book.close()
    assert book.state() == {"written": 6, "waiting": 0, "lost": 3}
    logged = pl.read_parquet(tmp_path / "log/*.parquet")["key"].to_list()
    assert logged == held[3:9][champion.task.key].to_list()


def test_a_log_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    """Before the port opens."""
    (tmp_path / "log").touch()
    with pytest.raises(load("errors").ProjectError, match="cannot be written"):
        load("logbook").Logbook(tmp_path / "log")


def test_make_serve_calls_this_command() -> None:
    """On loopback unless the command line says otherwise: a HOST of the shell's does not count."""
    makefile = (ROOT / "Makefile").read_text()
    assert "serve models/model.skops dvc.lock predictions" in makefile
    assert "\nHOST := 127.0.0.1\n" in makefile
