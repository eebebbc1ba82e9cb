"""Drift: known answers, what a column or a table can do wrong, and what is said about it."""

import json
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from conftest import load

START = date(2020, 1, 1)
FEATURES = {f"c{i}": "feature" for i in range(4)}


def rules(**changes: Any) -> Any:
    found = load("params").load().drift
    return msgspec.structs.replace(found, calendar=[], **changes)


def days(count: int, seed: int, rows: int = 60, first: int = 0, icc: float = 0.02) -> pl.DataFrame:
    """Four normal columns; the rows of one day share a little luck."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(count), rows)
    luck = rng.normal(0, icc**0.5, (count, 4))[day]
    values = luck + rng.normal(0, (1 - icc) ** 0.5, (len(day), 4))
    dates = [START + timedelta(days=first + int(d)) for d in day]
    return pl.DataFrame(values, schema=list(FEATURES)).with_columns(pl.Series("day", dates))


def tables(**changes: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """60 days, and the next 10, with some columns of the latter replaced or added."""
    return days(60, 1), days(10, 2, first=60).with_columns(**changes)


def judge(old: pl.DataFrame, new: pl.DataFrame, **changes: Any) -> dict[str, Any]:
    given = {"cluster": "day", "rules": rules(), **changes}
    roles = given.pop("roles", {name: "feature" for name in old.columns if name != "day"})
    found: dict[str, Any] = load("drift").drift(old, new, roles=roles, **given)
    json.dumps(found, allow_nan=False)
    return found


def alarms(found: dict[str, Any]) -> set[str]:
    return {name for name, column in found["columns"].items() if column["alarm"]}


def test_equal_tables_do_not_drift() -> None:
    """No alarm, and half a standard deviation would have been found in every column."""
    found = judge(*tables())
    assert found["judged"] and not found["alarm"]
    for column in found["columns"].values():
        assert column["p"] > 0.01 and column["distance"] < column["limit"]
        assert column["power"] > 0.9
        assert column["icc"] == pytest.approx(0.02, abs=0.02)


def test_a_shift_is_found_named_and_told_in_units() -> None:
    """Half a standard deviation is an effect of about 0.5; six windows of ten days are a past."""
    found = judge(*tables(c1=pl.col("c1") + 0.5))
    assert alarms(found) == {"c1"} and found["new"]
    column = found["columns"]["c1"]
    assert column["p"] == 0.001 and column["distance"] > column["limit"]
    assert column["effect"] == pytest.approx(0.5, abs=0.12)
    assert column["change"]["shift"] == pytest.approx(0.5, abs=0.1)
    assert column["history"]["windows"] == 6 and column["history"]["largest"] < 0.2


def test_a_wider_spread_is_told_as_one() -> None:
    found = judge(*tables(c2=pl.col("c2") * 1.6))
    assert alarms(found) == {"c2"}
    assert found["columns"]["c2"]["change"]["what"] == "spread"


def test_more_missing_values_are_drift_of_their_own() -> None:
    """Five percent, which hide among the values."""
    gone = pl.when(pl.int_range(pl.len()) % 20 > 0).then("c0")
    found = judge(*tables(c0=gone))
    assert found["columns"]["c0"]["part"] == "missing"
    assert found["columns"]["c0"]["change"]["missing"] == [0, 0.05]


def test_new_categories_are_found_and_counted() -> None:
    old, new = (
        table.with_columns(kind=pl.int_range(pl.len()) % 3).cast({"kind": pl.String})
        for table in tables()
    )
    tenth = pl.int_range(pl.len()) % 10 == 0
    new = new.with_columns(pl.when(tenth).then(pl.lit("novel")).otherwise("kind").alias("kind"))
    found = judge(old, new)
    assert alarms(found) == {"kind"}
    assert found["columns"]["kind"]["levels"] == {"values": 1, "rows": 60, "named": ["novel"]}
    assert found["columns"]["kind"]["change"]["level"] == "novel"


def test_too_few_clusters_are_not_called_no_drift() -> None:
    """However far the values are: an effect, no p, no alarm, and why."""
    old, new = tables(c0=pl.col("c0") + 9)
    for few in (
        judge(old, new.filter(pl.col("day") < START + timedelta(days=63))),
        judge(old.filter(pl.col("day") < START + timedelta(days=20)), new),
    ):
        assert not few["judged"] and not few["alarm"] and few["new"] is not True
        assert "are needed to tell drift" in few["reason"]
        assert few["columns"]["c0"]["p"] is None and few["columns"]["c0"]["effect"] > 1
        assert "not judged" in load("reporting.drift").page(few)


def test_too_few_exchanges_give_no_small_p() -> None:
    """One day among thirty cannot be rarer than one in thirty-one."""
    old, new = tables()
    found = judge(old, new.filter(pl.col("day") == pl.col("day").min()), rules=rules(min_current=1))
    assert not found["judged"] and "no p could be as small as 0.01" in found["reason"]


@pytest.mark.parametrize("empty", ["old", "new", "both"])
def test_an_empty_table_is_not_judged(empty: str) -> None:
    old, new = tables()
    old = old.clear() if empty != "new" else old
    new = new.clear() if empty != "old" else new
    found = judge(old, new)
    assert not found["judged"] and "has no rows" in found["reason"]
    assert load("reporting.drift").page(found)


def test_ten_rows_are_too_few_days() -> None:
    old, new = tables()
    found = judge(old, new.head(10))
    assert not found["judged"] and "CURRENT has 1 values of 'day'" in found["reason"]


@pytest.mark.parametrize(("few", "many"), [(8, 60), (60, 8)])
def test_days_with_another_number_of_rows_are_no_drift(few: int, many: int) -> None:
    """Shares of eight rows are noisier than those of sixty; a shift is found all the same."""
    for seed in range(8):
        old, new = days(60, seed, rows=many), days(10, 100 + seed, rows=few, first=60)
        found = judge(old, new)
        assert found["judged"] and not found["alarm"]
        assert "as few were drawn" in found["warnings"][0]
    assert alarms(judge(old, new.with_columns(pl.col("c2") + 1.5))) == {"c2"}
    assert found["data"]["volume"]["current"] == few


def test_labels_of_one_day_are_too_few_for_the_target() -> None:
    """The others are not there yet; inputs are judged."""
    old, new = (scored(table, 0.02, 5) for table in tables())
    first = pl.when(pl.col("day") == pl.col("day").min()).then("late")
    found = judge(old, new.with_columns(late=first), roles=roles())
    assert found["columns"]["late"]["reason"] == "CURRENT has labels in 1 of 10 clusters"
    assert found["roles"]["feature"]["judged"] == 4 and not found["roles"]["quality"]["judged"]


def test_ten_independent_rows_can_be_far_away() -> None:
    """Without clusters rows are exchanged, and the result says so."""
    old, new = tables(c0=pl.col("c0") + 9)
    found = judge(old.drop("day"), new.drop("day").head(10), cluster=None)
    assert found["judged"] and "c0" in alarms(found)
    assert "no cluster is declared: rows are taken as independent" in found["warnings"]
    assert found["columns"]["c0"]["inflation"] == 1


def test_a_repeated_batch_is_told() -> None:
    """Row for row, whatever day it is called."""
    old, _ = tables()
    last = old.filter(pl.col("day") >= START + timedelta(days=50))
    again = judge(old, last)["data"]["repeated"]
    later = judge(old, last.with_columns(pl.col("day") + timedelta(days=10)))["data"]["repeated"]
    assert again == {"named": 10, "equal": 10} and later == {"named": 0, "equal": 10}
    assert judge(*tables())["data"]["repeated"] == {"named": 0, "equal": 0}


def test_days_that_come_again_are_copies() -> None:
    """In any order of their rows; all of them, and not where most days are alike anyway."""
    old, new = tables()
    again = old.tail(600).with_columns(pl.col("day") + timedelta(days=10))
    copies, names = load("quality").copies, list(FEATURES)
    assert copies(old, again.sample(fraction=1, shuffle=True, seed=1), "day", names)
    assert not copies(old, new, "day", names)
    assert not copies(old, pl.concat([again, new.tail(60)]), "day", names)
    same = [table.with_columns(flag=True) for table in (old, new)]
    assert not copies(*same, "day", ["flag"])


def test_columns_that_hold_nothing_to_compare() -> None:
    """A constant, one that turns constant, nothing at all, all missing from now on, a list."""
    old, new = tables(c1=pl.lit(0.3), c2=pl.lit(None, pl.Float64))
    extra = {"same": pl.lit(7), "void": pl.lit(None), "list": pl.concat_list("c0", "c0")}
    found = judge(old.with_columns(**extra), new.with_columns(**extra))
    columns = found["columns"]
    assert alarms(found) == {"c1", "c2"}
    assert columns["same"]["p"] == 1 and columns["same"]["power"] is None
    assert columns["void"]["reason"] == "all its values are missing"
    assert "List" in columns["list"]["reason"] and not columns["list"]["judged"]
    assert columns["c2"]["part"] == "missing"


def test_a_constant_that_moves_is_found() -> None:
    """Its reference has no spread to measure it by."""
    old, new = (t.with_columns(c0=pl.lit(value)) for t, value in zip(tables(), (1, 2), strict=True))
    assert alarms(judge(old, new)) == {"c0"}


def test_infinite_and_huge_numbers_are_numbers() -> None:
    odd = (
        pl.when(pl.int_range(pl.len()) % 9 == 0).then(float("inf")).otherwise(pl.col("c0") * 1e300)
    )
    found = judge(*(table.with_columns(c0=odd, c1=pl.lit(float("nan"))) for table in tables()))
    assert not alarms(found)


def test_a_hundred_thousand_categories() -> None:
    """Names that hardly ever come twice: no alarm, and no list of them."""
    rng = np.random.default_rng(3)
    old, new = (
        t.with_columns(pl.Series("id", rng.integers(0, 100_000, t.height)).cast(pl.String))
        for t in (days(60, 1, rows=2000), days(10, 2, rows=2000, first=60))
    )
    found = judge(old, new)
    assert not alarms(found)
    assert len(found["columns"]["id"]["levels"]["named"]) == 5
    assert found["columns"]["id"]["levels"]["rows"] > 1000


def test_two_hundred_columns_with_one_that_moved() -> None:
    """The correction is over all columns; the one that moved is still named."""
    rng = np.random.default_rng(4)
    names = [f"x{i}" for i in range(200)]
    old, new = (
        pl.DataFrame(rng.normal(size=(60 * n, 200)), schema=names).with_columns(
            day=pl.int_range(pl.len()) // 60 + first
        )
        for n, first in ((60, 0), (10, 60))
    )
    found = judge(old, new.with_columns(pl.col("x7") + 0.5))
    assert alarms(found) == {"x7"}
    page = load("reporting.drift").page(found)
    assert "180 more columns" in page and len(page.encode()) < 10_000


def test_a_number_that_became_text_is_compared_as_text() -> None:
    old, new = tables(c0=pl.col("c0").cast(pl.String) + " km")
    assert alarms(judge(old, new)) == {"c0"}
    numbers = days(10, 2, first=60)["c0"]
    for kind in (pl.Float32, pl.String):
        assert not alarms(judge(old, new.with_columns(c0=numbers.cast(kind))))


def test_a_column_that_one_table_lacks_is_told() -> None:
    old, new = tables()
    found = judge(old, new.drop("c3"))
    assert found["columns"]["c3"]["reason"] == "CURRENT has no such column"
    assert found["judged"] and not found["columns"]["c3"]["judged"]


def season(count: int, first: int, seed: int, jump: float = 0) -> pl.DataFrame:
    """A column that changes by windows of ten days, as weather does."""
    table = days(count, seed, first=first)
    mean = pl.Series([-2.0, 2.0, 0.5, -1.0, 1.5, -0.5, 1.0])
    window = (first + np.arange(table.height) // 60) // 10
    return table.with_columns(pl.col("c0") + mean.gather(window) + jump)


def test_a_seasonal_column_is_not_new_until_it_leaves_its_past() -> None:
    """It changes by no more than in earlier windows; then by far more."""
    old = season(60, 0, 1)
    usual = judge(old, season(10, 60, 2), rules=rules())
    assert usual["new"] is False
    far = judge(old, season(10, 60, 2, jump=12))["columns"]["c0"]
    assert far["history"]["largest"] > 0.8 and far["effect"] > far["history"]["largest"]


def test_without_three_earlier_windows_nothing_is_new() -> None:
    """It is said that there is too little history, and `alarm` decides."""
    old, new = tables(c0=pl.col("c0") + 1)
    found = judge(old.tail(60 * 35), new.vstack(new.with_columns(pl.col("day") + timedelta(15))))
    assert found["alarm"] and found["new"] is None
    assert found["history"] == {"windows": 1, "usable": False}
    assert "too little history" in load("reporting.drift").page(found)


def test_a_caller_may_name_the_earlier_windows() -> None:
    """The same windows give the same history as those that are cut from the reference."""
    old, new = tables(c0=pl.col("c0") + 0.6)
    ends = [START + timedelta(days=10 * i) for i in range(7)]
    windows = [old.filter(pl.col("day").is_between(a, b, "left")) for a, b in pairwise(ends)]
    cut, named = judge(old, new), judge(old, new, history=windows)
    assert named["history"] == cut["history"] == {"windows": 6, "usable": True}
    for name in FEATURES:
        both = [found["columns"][name]["history"]["largest"] for found in (cut, named)]
        assert both[0] == pytest.approx(both[1], abs=0.08)
    few = judge(old, new, history=windows[:1])
    assert few["new"] is None and not few["history"]["usable"]
    lacking = judge(old, new, history=[w.drop("c0") for w in windows])
    assert lacking["columns"]["c0"]["new"] is None and lacking["columns"]["c1"]["new"] is False


def scored(table: pl.DataFrame, noise: float, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(-table["c0"].to_numpy()))
    score = (chance + rng.normal(0, noise, table.height)).clip(0, 1)
    return table.with_columns(late=rng.random(table.height) < chance, score=score)


def roles() -> dict[str, str]:
    return {**FEATURES, "late": "target", "score": "prediction"}


def test_input_target_prediction_and_quality_are_judged_apart() -> None:
    """A model that lost its mind: predictions and their errors drift, inputs and labels do not."""
    old, new = (scored(table, 0.02, 5) for table in tables())
    calm = judge(old, new, roles=roles())
    assert not calm["alarm"] and {r: v["judged"] for r, v in calm["roles"].items()} == {
        "feature": 4,
        "target": 1,
        "prediction": 1,
        "quality": 1,
    }
    wrong = judge(old, new.with_columns(score=1 - pl.col("score") ** 2), roles=roles())["roles"]
    assert {role for role, found in wrong.items() if found["alarm"]} == {"prediction", "quality"}


def memorised(table: pl.DataFrame) -> pl.DataFrame:
    """As a model scores the rows that it was trained on: nearly their labels."""
    return table.with_columns(score=0.8 * pl.col("late") + 0.2 * pl.col("score"))


def test_predictions_are_held_against_rows_that_the_model_has_not_seen() -> None:
    """Against those that it was trained on each night would alarm."""
    old, new = (scored(table, 0.02, 5) for table in tables())
    unseen = scored(days(40, 7, first=20), 0.02, 8)
    assert {"score", "error of score"} <= alarms(judge(memorised(old), new, roles=roles()))
    found = judge(memorised(old), new, unseen=unseen, roles=roles())
    assert found["judged"] and not found["alarm"] and found["new"] is False
    assert found["roles"]["prediction"]["judged"] == found["roles"]["quality"]["judged"] == 1
    assert found["rows"] == {"reference": 3600, "current": 600, "unseen": 2400}
    assert found["clusters"]["unseen"] == 40 and found["sampled"]["unseen"] is None
    assert found["columns"]["score"]["history"]["windows"] == 6
    assert "2,400 rows in 40 clusters that were held out" in load("reporting.drift").page(found)
    wrong = judge(
        old, new.with_columns(score=1 - pl.col("score") ** 2), unseen=unseen, roles=roles()
    )
    assert {r for r, each in wrong["roles"].items() if each["new"]} == {"prediction", "quality"}


def test_two_comparisons_share_the_chance_of_a_false_alarm() -> None:
    """Each p is doubled, and the limit is that of half the level."""
    old, new = (scored(table, 0.02, 5) for table in tables(c1=pl.col("c1") + 0.5))
    unseen = scored(days(40, 7, first=20), 0.02, 8)
    inputs = {**FEATURES, "late": "target"}
    alone, both = judge(old, new, roles=inputs), judge(old, new, unseen=unseen, roles=roles())
    for name in inputs:
        one, other = (found["columns"][name] for found in (alone, both))
        assert other["p"] == min(2 * one["p"], 1) and other["limit"] > one["limit"]
    assert both["method"]["alarm"] == 0.01


def test_without_scores_the_inputs_are_judged_all_the_same() -> None:
    old, new = tables()
    unseen = days(40, 7, first=20)
    given = {**FEATURES, "score": "prediction"}
    found = judge(old, new, unseen=unseen, roles=given)
    assert found["roles"]["feature"]["judged"] == 4
    assert found["roles"]["prediction"]["reason"] == "UNSEEN has no such column"
    few = judge(old, scored(new, 0.02, 5), unseen=scored(unseen, 0.02, 8).head(60), roles=given)
    assert few["judged"] and "UNSEEN has 1 values of 'day'" in few["roles"]["prediction"]["reason"]
    assert "Predictions: not judged, UNSEEN has" in load("reporting.drift").page(few)


def test_the_page_names_inputs_target_predictions_and_quality() -> None:
    old, new = (scored(table, 0.02, 5) for table in tables(c1=pl.col("c1") + 2))
    found = judge(old, new, unseen=scored(days(40, 7, first=20), 0.02, 8), roles=roles())
    promised = load("decide").Quality("roc_auc", (0.60, 0.64), (0.70, 0.76)).facts()
    told = load("reporting.drift").page(found | {"quality": promised}).replace("\xa0", " ")
    assert "- Inputs: 1 of 4 changed, 1 by more than in earlier windows.\n" in told
    assert "- Target: no drift.\n- Predictions: no drift.\n" in told
    assert "- Errors of the predictions: no drift.\n" in told
    assert "- Quality: less than promised, ROC AUC 0.600 to 0.640 on the new rows " in told


def test_labels_that_are_not_there_yet_are_no_drift() -> None:
    """Half of them, then all of them, then the column itself."""
    old, new = (scored(table, 0.02, 5) for table in tables())
    half = pl.when(pl.int_range(pl.len()) % 2 == 0).then("late")
    assert not judge(old, new.with_columns(late=half), roles=roles())["alarm"]
    none = judge(old, new.with_columns(late=pl.lit(None, pl.Boolean)), roles=roles())["roles"]
    assert none["target"]["reason"] == none["quality"]["reason"] == "CURRENT has no labels yet"
    gone = judge(old, new.drop("late"), roles=roles())["roles"]
    assert gone["target"]["reason"] == "CURRENT has no such column"
    assert gone["quality"]["reason"] == "CURRENT has no column 'late'"


def test_equal_labels_drift() -> None:
    old, new = (scored(table, 0.02, 5) for table in tables())
    found = judge(old, new.with_columns(late=pl.lit(False)), roles=roles())
    assert found["roles"]["target"]["alarm"]


def test_chances_of_several_classes_are_compared_as_classes() -> None:
    old, new = tables()
    rng = np.random.default_rng(6)

    def with_chances(table: pl.DataFrame, power: int) -> pl.DataFrame:
        chance = rng.dirichlet([1, 1, 1], table.height)
        truth = np.array([rng.choice(3, p=row) for row in chance])
        return table.with_columns(
            late=truth, score=pl.Series(chance**power, dtype=pl.Array(pl.Float64, 3))
        )

    found = judge(with_chances(old, 1), with_chances(new, 1), roles=roles())
    assert found["roles"]["prediction"]["judged"] == found["roles"]["quality"]["judged"] == 1
    assert not found["alarm"]


def test_days_change_places_with_days_of_the_same_weekday() -> None:
    """A weekend's own level is no drift where the batch has nothing but weekends."""

    def weekly(table: pl.DataFrame) -> pl.DataFrame:
        day = pl.col("day").dt.weekday()
        return table.with_columns(weekday=day, c0=pl.col("c0") + 2 * (day > 5))

    old, new = (weekly(t) for t in (days(140, 1), days(28, 2, first=140)))
    weekends = new.filter(pl.col("weekday") > 5)
    stratified = msgspec.structs.replace(rules(), calendar=["weekday"])
    found = judge(old, weekends, rules=stratified)
    assert found["columns"]["weekday"]["reason"] == "it follows the calendar"
    assert found["judged"] and not alarms(found)
    assert "c0" in alarms(judge(old, weekends))


def test_a_calendar_column_that_is_wrong_is_told() -> None:
    stratified = msgspec.structs.replace(rules(), calendar=["c0", "moon"])
    found = judge(*tables(), rules=stratified)
    assert "names 'moon', which no table has" in found["warnings"][1]
    assert "'c0' of drift.calendar differs within a cluster" in found["warnings"][0]


def test_large_tables_are_sampled_by_whole_clusters() -> None:
    """With a fixed seed, and the result says so."""
    old, new = tables(c1=pl.col("c1") + 1)
    found = judge(old, new, rules=rules(rows=2400))
    assert found["sampled"]["reference"] == {"rows": 2400, "clusters": 40}
    assert found["sampled"]["current"] is None and found["rows"]["reference"] == 3600
    assert "40 of 60 clusters were drawn" in found["warnings"][0]
    assert alarms(found) == {"c1"}
    assert found == judge(old, new, rules=rules(rows=2400))
    assert found != judge(old, new, rules=rules(rows=2400, seed=1))


def test_the_order_of_rows_does_not_matter() -> None:
    old, new = tables(c1=pl.col("c1") + 0.2)
    mixed = [table.sample(fraction=1, shuffle=True, seed=1) for table in (old, new)]
    assert judge(*mixed) == judge(old, new)


def test_clusters_of_any_type() -> None:
    """Timestamps count by their day; rows without a cluster are left out and counted."""
    old, new = tables(c1=pl.col("c1") + 0.6)
    plain = judge(old, new)["columns"]
    noon = pl.col("day").cast(pl.Datetime) + pl.duration(seconds=pl.int_range(pl.len()) % 80_000)
    timed = judge(old.with_columns(day=noon), new.with_columns(day=noon))
    assert timed["columns"] == plain
    text = [table.cast({"day": pl.String}) for table in (old, new)]
    assert judge(*text)["columns"] == judge(old, text[1])["columns"] == plain
    gap = pl.when(pl.col("day") > START).then("day")
    found = judge(old.with_columns(day=gap), new)
    assert found["warnings"] == ["60 rows of REFERENCE have no cluster and are left out"]


def test_freshness_and_volume() -> None:
    found = judge(*tables(), today=START + timedelta(days=72))["data"]
    assert found["volume"] == {"reference": 60, "current": 60, "earlier": [60, 60]}
    assert found["freshness"] == {
        "reference": "2020-02-29",
        "current": "2020-03-10",
        "days": 10,
        "age": 3,
    }


def test_rows_outside_the_contract_are_counted() -> None:
    """Whatever they do to the distribution; so is a value of another type."""
    import pandera.polars as pa

    schema = pa.DataFrameSchema(
        {"c0": pa.Column(pl.Float64, pa.Check.in_range(-9, 9)), "c1": pa.Column(pl.Float64)}
    )
    far = pl.when(pl.int_range(pl.len()) == 3).then(99.0).otherwise("c0")
    text = (
        pl.when(pl.int_range(pl.len()) < 2)
        .then(pl.lit("?"))
        .otherwise(pl.col("c1").cast(pl.String))
    )
    columns = judge(*tables(c0=far, c1=text), schema=schema)["columns"]
    assert [columns[f"c{i}"]["outside"] for i in range(3)] == [1, 2, None]


HOSTILE = "a|`b`\n<img src=x onerror=1>@you **#1** \u202e"


def test_hostile_names_stay_in_code_spans() -> None:
    """Of columns, categories and clusters."""
    code = load("text").code
    old, new = tables()
    old = old.with_columns(pl.lit("x").alias(HOSTILE)).cast({"day": pl.String})
    new = new.with_columns(
        pl.lit(HOSTILE).alias(HOSTILE), day=pl.lit(HOSTILE) + pl.col("day").cast(pl.String)
    )
    page = load("reporting.drift").page(judge(old, new))
    assert code(HOSTILE) in page
    assert "\u202e" not in page and "\n<img" not in page
    bare = page.replace("\\|", "¦")
    for span in sorted(
        {code(HOSTILE), load("text").cell(HOSTILE), code(HOSTILE + "2020-03-10")}, key=len
    ):
        bare = bare.replace(span.replace("|", "¦"), "").replace(span, "")
    bare = bare.replace(load("text").tag(HOSTILE), "")
    assert "<img" not in bare and "@you" not in bare


def test_the_page_has_a_word_and_a_drawing_for_each_column() -> None:
    page = load("reporting.drift").page(judge(*tables(c1=pl.col("c1") + 2)))
    assert page.startswith("### ⚠ Drift: 1 of 4 columns changed, 1 of them by more than")
    (row,) = [line for line in page.splitlines() if line.startswith("| `c1`")]
    assert "▲ new" in row and "sd)" in row and "█" in row
    assert page.count("no drift |") == 3


def test_a_column_that_could_not_be_judged_well_is_not_called_steady() -> None:
    """Days that differ as much as rows hide half a standard deviation."""
    old, new = days(40, 1, icc=0.9), days(6, 2, first=40, icc=0.9)
    found = judge(old, new)
    assert not found["alarm"] and found["columns"]["c0"]["power"] < 0.5
    assert "≈ cannot be told" in load("reporting.drift").page(found)


def test_the_distance_is_what_a_hand_computes() -> None:
    """Shares 1/4 and 3/4 against the reverse; half a row in each bin keeps empty ones finite."""
    permutation = load("permutation")
    counts = np.array([[[10, 30]], [[30, 10]]], np.float32)
    chosen = np.array([[0, 1]], np.float32)
    assert permutation.squares(chosen, counts)[0, 0] == pytest.approx(2 * 0.5**2 / 0.5)


def test_the_smallest_p_counts_the_exchanges() -> None:
    permutation = load("permutation")
    assert permutation.smallest(np.zeros(31, int), 1) == pytest.approx(1 / 31)
    assert permutation.smallest(np.zeros(5, int), 2) == pytest.approx(1 / 10)
    assert permutation.smallest(np.array([0, 0, 0, 1, 1, 0, 1]), 2) == pytest.approx(1 / 12)


def test_a_draw_keeps_the_batch_s_strata() -> None:
    strata = np.array([0, 1, 2] * 5)
    drawn = load("permutation").selections(strata, 4, 50, 0)
    for stratum in range(3):
        assert set(drawn[:, strata == stratum].sum(axis=1)) == {drawn[0, strata == stratum].sum()}
    assert (drawn[0, -4:] == 1).all() and drawn[0].sum() == 4
    assert len({tuple(row) for row in drawn}) > 40


def remembering(phi: float, seed: int, tests: int = 1, days: int = 600) -> np.ndarray:
    """Counts of days, of which each resembles the one before."""
    rng = np.random.default_rng(seed)
    state = np.zeros((days, tests))
    for t in range(1, days):
        state[t] = phi * state[t - 1] + (1 - phi**2) ** 0.5 * rng.normal(size=tests)
    share = 1 / (1 + np.exp(-state))
    return np.stack([100 * share, 100 * (1 - share)], axis=2).astype(np.float32)


def memory(counts: np.ndarray, current: int) -> Any:
    flat = np.zeros(len(counts), int)
    return load("permutation").memory(counts, flat, np.arange(len(counts)), current)


def test_the_inflation_follows_the_autocorrelation() -> None:
    """Independent days: about one; with a memory of 0.6 a month's mean varies 3.8 times as much."""
    assert memory(remembering(0, 7), 30).inflation[0] < 1.5
    assert 3 < memory(remembering(0.6, 7), 30).inflation[0] < 5
    assert memory(np.ones((9, 2, 2), np.float32), 1).inflation.max() == 1


def test_columns_lend_each_other_what_they_know_of_memory() -> None:
    """Forty alike differ by chance, and less so together; one that differs by far stays apart."""
    alike = remembering(0.6, 8, tests=40, days=150)
    alone = [memory(alike[:, [test]], 7).inflation[0] for test in range(40)]
    together = memory(alike, 7).inflation
    assert together.std() < 0.5 * np.std(alone)
    assert together.mean() == pytest.approx(np.mean(alone), rel=0.1)
    odd = np.concatenate([remembering(0, 9, tests=39, days=150), alike[:, :1]], axis=1)
    assert memory(odd, 7).inflation[-1] > 0.7 * alone[0] > 1.5 * memory(odd, 7).inflation[0]


def test_few_or_similar_days_make_the_limit_wider() -> None:
    """As Student's law does: less is known of how much days differ."""

    def widening(phi: float, days: int) -> float:
        return float(memory(remembering(phi, 8, tests=40, days=days), 7).widening(0.01))

    assert 1 < widening(0, 600) < widening(0, 150) < widening(0.6, 150) < 1.25
    assert load("permutation").Memory(np.ones(3)).widening(0.01) == 1


def command(folder: Path, *words: str) -> int:
    main = load("cli").main
    code: int = main(["drift", str(folder / "old.parquet"), str(folder / "new.parquet"), *words])
    return code


def test_the_command_writes_equal_bytes_for_equal_tables(tmp_path: Path) -> None:
    for name, table in zip(("old", "new"), tables(c1=pl.col("c1") + 0.5), strict=True):
        table.write_parquet(tmp_path / f"{name}.parquet")
    for name in ("one", "two"):
        report = ("--report", str(tmp_path / f"{name}.md"))
        assert command(tmp_path, "--cluster", "day", "--out", str(tmp_path / name), *report) == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = json.loads((tmp_path / "one").read_text())
    assert found["alarm"] is True and found["columns"]["c1"]["new"] is True
    keys = {"distance", "p", "limit", "effect", "history", "new"}
    assert keys <= found["columns"]["c1"].keys()
    assert "c1" in (tmp_path / "one.md").read_text()
    words = ("--cluster", "day", "--newest", "7", "--out", str(tmp_path / "week"))
    assert command(tmp_path, *words) == 0
    assert json.loads((tmp_path / "week").read_text())["clusters"]["current"] == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cluster", "dey"], "REFERENCE has no column 'dey'"),
        (["--cluster", "day", "--newest", "-1"], "--newest is '-1'"),
        (["--newest", "3"], "--newest needs clusters"),
    ],
)
def test_wrong_arguments_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    for name, table in zip(("old", "new"), tables(), strict=True):
        table.write_parquet(tmp_path / f"{name}.parquet")
    assert command(tmp_path, *words, "--out", str(tmp_path / "out")) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_table_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.parquet").write_text("no table")
    assert command(tmp_path, "--out", str(tmp_path / "out")) == 1
    assert "cannot be read as Parquet" in capsys.readouterr().err


def test_the_project_s_own_columns_have_their_roles(params: Any) -> None:
    """The target is no feature; key, time and cluster are not tested."""
    task = params.task
    columns = [*task.features, task.target, task.key, "score"]
    found = load("drift").roles_of(task, columns, task.cluster)
    assert found[task.target] == "target" and found["score"] == "prediction"
    assert task.key not in found and task.cluster not in found
