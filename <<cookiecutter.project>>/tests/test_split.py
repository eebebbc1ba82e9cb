"""Every row is on one side, and stays there."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import change, first, load


def sides(params: Any, valid: Path) -> dict[str, list[Any]]:
    """The keys on each side."""
    out = valid.parent
    load("split").run(params, valid, out / "train", out / "holdout")
    return {
        side: pl.read_parquet(out / side / "*.parquet")[params.task.key].to_list()
        for side in ("train", "holdout")
    }


def timeless(params: Any) -> Any:
    return change(params, task={"time": None}, ingest={"until": None})


def test_every_row_is_on_one_side(params: Any, sample: Path) -> None:
    """Nothing is lost, nothing is doubled, nothing leaks."""
    split = sides(params, sample)
    everything = pl.read_parquet(sample / "*.parquet").drop_nulls(params.task.target)
    assert sorted(split["train"] + split["holdout"]) == sorted(everything[params.task.key])
    assert not set(split["train"]) & set(split["holdout"])


def test_the_last_weeks_are_held_out(params: Any, made: Path) -> None:
    """With time, the model is judged on days that it has not seen."""
    time = params.task.time
    if time is None:
        pytest.skip("the table has no time")
    train, holdout = (pl.read_parquet(made / s / "*.parquet")[time] for s in ("train", "holdout"))
    assert train.max() < holdout.min()


def test_rows_without_a_label_are_on_no_side(
    params: Any, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They wait for it, and are counted."""
    file, rows = first(sample)
    target = params.task.target
    late = pl.when(pl.int_range(pl.len()) >= 5).then(target).alias(target)
    rows.with_columns(late).write_parquet(file)
    split = sides(params, sample)
    assert not set(rows[params.task.key].head(5)) & set(split["train"] + split["holdout"])
    assert "5 have no label yet" in capsys.readouterr().out


def test_no_label_at_all_stops_the_split(params: Any, sample: Path) -> None:
    for file in sample.iterdir():
        rows = pl.read_parquet(file)
        none = pl.lit(None, rows.schema[params.task.target]).alias(params.task.target)
        rows.with_columns(none).write_parquet(file)
    with pytest.raises(load("errors").ProjectError, match=r"days are left|no label yet"):
        sides(params, sample)


def test_too_few_days_stop_the_split(params: Any, sample: Path) -> None:
    """The sentence names the days that are there and the days that are needed."""
    if params.task.time is None:
        pytest.skip("the table has no time")
    few = change(params, split={"min_train_days": 100_000})
    with pytest.raises(load("errors").ProjectError, match="min_train_days is 100000"):
        sides(few, sample)


def test_a_row_never_changes_sides(params: Any, sample: Path) -> None:
    """Without time, sides follow from the key alone: rows that come or go move no other row."""
    whole = sides(timeless(params), sample)
    file, rows = first(sample)
    rows.head(rows.height // 2).write_parquet(file)
    part = sides(timeless(params), sample)
    for side in whole:
        assert set(part[side]) < set(whole[side])


def test_a_group_is_never_torn(params: Any, sample: Path) -> None:
    """With a declared group, all of its rows are on one side."""
    file, rows = first(sample)
    group = params.task.features[0]
    rows = rows.with_columns((pl.int_range(pl.len()) // 7).cast(rows.schema[group]).alias(group))
    rows.write_parquet(file)
    for other in set(sample.iterdir()) - {file}:
        other.unlink()
    sides(change(timeless(params), split={"group": group}), sample)
    out = sample.parent
    found = [set(pl.read_parquet(out / s / "*.parquet")[group]) for s in ("train", "holdout")]
    assert not found[0] & found[1]
