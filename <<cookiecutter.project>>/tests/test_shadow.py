"""Two models on the same rows: whose decisions change, by how much scores differ, and where."""

import json
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
import scipy.stats
from conftest import load
from situations import HOSTILE

CHANCES = [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]


def task(kind: str = "binary") -> Any:
    names = {"target": "late", "metric": "roc_auc", "key": "id", "time": None, "cluster": "day"}
    return load("params").Task(kind=kind, threshold=0.5, numeric=["x"], categorical=[], **names)


def gate(**changes: Any) -> Any:
    values = {"margin": 0.01, "confidence": 0.95, "min_clusters": 2, "floors": {}}
    values |= {"min_slice_rows": 2, "min_slice_class": 1, "min_slice_clusters": 2}
    values |= dict.fromkeys(("beat_linear", "latency_ms", "latency_times", "size_mib", "jump"))
    return load("params").Gate(**(values | changes))


def measure(
    now: Any, then: Any, truth: Any = None, *, kind: str = "binary", least: int = 2, **columns: Any
) -> dict[str, Any]:
    """What is found; clusters and slices are further columns."""
    rows = len(now)
    known = {"key": np.arange(rows), "truth": np.zeros(rows) if truth is None else truth, **columns}
    tables = {
        name: pl.DataFrame({**known, "score": np.asarray(score).tolist()})
        for name, score in (("now", now), ("base", then))
    }
    aligned = load("predictions").align(tables, kind)
    found = load("shadow").measure(aligned, "base", task(kind), gate(min_slice_rows=least))
    json.dumps(found, allow_nan=False)
    return dict(found)


def told(found: dict[str, Any], kind: str = "binary") -> str:
    """What a terminal shows."""
    shadow = msgspec.convert(found, load("reporting.comparison").Shadow)
    lines = load("reporting.shadow").lines(task(kind), shadow, "release", "95 % interval")
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


def drawn(found: dict[str, Any], kind: str = "binary") -> str:
    """What a report shows."""
    shadow = msgspec.convert(found, load("reporting.comparison").Shadow)
    section = load("reporting.shadow").section(task(kind), shadow, "`release`", "all", "interval")
    return str(section).replace("\N{NO-BREAK SPACE}", " ")


def test_a_decision_changes_where_a_score_crosses_the_threshold() -> None:
    """Each way, and who was right; a score on the threshold is positive."""
    now, then = [0.5, 0.1, 0.6, 0.4, 0.9], [0.4, 0.6, 0.4, 0.4, 0.8]
    found = measure(now, then, [1, 0, 0, 1, 1])
    assert (found["rows"], found["changed"], found["share"], found["up"]) == (5, 3, 0.6, 0.4)
    assert (found["right"], found["right_before"]) == (2, 1)
    assert found["largest"] == 0.5 and found["mean"] == pytest.approx(-0.02)
    said = told(found)
    assert said.startswith("Decisions: 60.0 % change (95 % interval ")
    assert ": 40.0 % become late, 20.0 % no longer are\n" in said
    assert "A score from 0.5 on is decided as `late`. Of the 3 that change, 67 % are right" in said


def test_a_prediction_changes_by_a_fifth_of_the_truths_deviation() -> None:
    """More than that, in the target's own unit."""
    truth = [0.0, 20.0, 0.0, 20.0]
    found = measure([3, 20, 1, 17], [0, 20, 0, 20], truth, kind="regression")
    assert (found["limit"], found["changed"], found["up"]) == (2, 2, 0.25)
    assert (found["right"], found["right_before"]) == (0, 2)
    said = told(found, "regression")
    assert "Predictions: 50.0 % move by more than 2.00 (" in said
    assert ": 25.0 % up, 25.0 % down\n" in said and "0 % come nearer to the truth" in said


def test_of_many_classes_the_likeliest_counts() -> None:
    """The commonest change is named; the score is the chance of the champion's class."""
    now = [CHANCES[place] for place in (0, 1, 1, 1, 2)]
    then = [CHANCES[place] for place in (0, 0, 0, 2, 2)]
    found = measure(now, then, [0, 1, 0, 2, 2], kind="multiclass")
    assert (found["changed"], found["up"], found["limit"]) == (3, None, None)
    assert found["moves"] == [{"from": 0, "to": 1, "rows": 2}, {"from": 2, "to": 1, "rows": 1}]
    assert (found["right"], found["right_before"], found["largest"]) == (1, 2, 0.4)
    said = told(found, "multiclass")
    assert "most often class 0 becomes 1 (40.0 %)" in said and "chance of the champion's" in said


@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass"])
def test_equal_scores_change_nothing(kind: str) -> None:
    """No interval is made up, and nothing is drawn."""
    now = CHANCES if kind == "multiclass" else [0.2, 0.6, 0.7]
    found = measure(now, now, [0, 1, 1], kind=kind, place=["a", "a", "b"])
    assert (found["changed"], found["share"], found["low"], found["high"]) == (0, 0, None, None)
    assert (found["largest"], found["width"], found["rank_correlation"]) == (0, None, 1)
    assert "none of 3 " in told(found, kind) and "is the champion's." in told(found, kind)
    assert "mermaid" not in drawn(found, kind) and "| Slice |" not in drawn(found, kind)


def test_scores_can_differ_where_no_decision_does() -> None:
    found = measure([0.6, 0.7, 0.2], [0.7, 0.8, 0.1])
    assert found["changed"] == 0 and sum(found["bars"]) == 3
    assert "none of 3 change" in drawn(found) and "mermaid" in drawn(found)


def test_a_champion_that_knows_one_score_has_no_ranks() -> None:
    found = measure([0.6, 0.7, 0.2], [0.7, 0.7, 0.7])
    assert found["rank_correlation"] is None and "rank correlation" not in told(found)


def test_ranks_are_spearmans() -> None:
    """Ties included."""
    rng = np.random.default_rng(0)
    now, then = rng.integers(0, 9, (2, 500)) / 10
    expected = scipy.stats.spearmanr(now, then).statistic
    assert measure(now, then)["rank_correlation"] == pytest.approx(expected)


def test_the_bars_hold_every_row_and_reach_the_ninety_ninth() -> None:
    """Around 0, of a round width; what lies beyond is in the ends."""
    rng = np.random.default_rng(1)
    then = rng.uniform(0.3, 0.7, 5000)
    now = np.clip(then + rng.normal(0, 0.03, 5000), 0, 1)
    now[0] = 1.0
    found = measure(now, then)
    assert found["width"] == 0.02 and len(found["bars"]) == 11
    assert sum(found["bars"]) == 5000 and found["bars"][-1] >= 1
    assert found["bars"][5] == int((np.abs(now - then) < 0.01).sum())
    assert "−0.10" in drawn(found) and '"0.10"' in drawn(found)


def test_numbers_at_the_end_of_floats_stay_numbers() -> None:
    """A regression may predict anything finite."""
    found = measure([1e308, 1, 5e-324], [-1e308, 1, 0], [1, 2, 3], kind="regression")
    assert found["changed"] == 1 and sum(found["bars"]) == 3
    found = measure([5e-324, 0.6], [0, 0.6], kind="regression")
    assert found["width"] is None


def test_rows_that_share_their_luck_widen_the_interval() -> None:
    """Ten whole days in which all change say less than as many rows spread over all days."""
    day, then = np.repeat(np.arange(50), 40), np.full(2000, 0.4)
    whole = np.where(day % 5 == 0, 0.6, 0.4)
    spread = np.where(np.arange(2000) % 5 == 0, 0.6, 0.4)
    wide, narrow = (measure(now, then, cluster=day) for now in (whole, spread))
    assert wide["share"] == narrow["share"] == 0.2
    assert wide["high"] - wide["low"] > 4 * (narrow["high"] - narrow["low"])
    exact = scipy.stats.binomtest(400, 2000).proportion_ci(method="exact")
    assert (narrow["low"], narrow["high"]) == pytest.approx(tuple(exact), abs=1e-3)


def test_the_interval_covers() -> None:
    """Days in which decisions change more than in others: 19 of 20 intervals hold the truth."""
    rng, hits, day = np.random.default_rng(2), 0, np.repeat(np.arange(30), 50)
    for _ in range(200):
        chance = rng.beta(0.5, 9.5, 30)[day]
        now = np.where(rng.random(1500) < chance, 0.6, 0.4)
        found = measure(now, np.full(1500, 0.4), cluster=day)
        hits += found["low"] <= 0.05 <= found["high"]
    assert hits >= 180


def test_one_cluster_has_no_interval() -> None:
    found = measure([0.6, 0.4, 0.4], [0.4, 0.4, 0.4], cluster=["a", "a", "a"])
    assert found["share"] > 0 and found["low"] is None
    assert "Decisions: 33.3 % change: 33.3 % become late" in told(found)


def test_the_slice_with_the_most_change_is_first() -> None:
    """Too small ones are left out, and a missing value is a group."""
    place = ["a", "a", "b", "b", None, None, "alone"]
    now, then = [0.6, 0.4, 0.4, 0.4, 0.6, 0.6, 0.6], [0.4] * 7
    found = measure(now, then, place=pl.Series(place))
    shares = [(one["group"], one["share"], one["up"]) for one in found["slices"]]
    assert shares == [("missing", 1, 1), ("a", 0.5, 0.5), ("b", 0, 0)]
    assert "| `missing` <sub>`place`</sub> | 100.0 % |" in drawn(found)


@pytest.mark.parametrize("columns", [{}, {"place": ["a", "b", "c", "d"]}])
def test_without_large_enough_slices_there_is_no_table(columns: dict[str, Any]) -> None:
    found = measure([0.6, 0.4, 0.4, 0.6], [0.4] * 4, **columns)
    assert (found["slices"], found["slices_judged"]) == ([], 0)
    assert "| Slice |" not in drawn(found) and "<b>Decisions</b>: 50.0 % change" in drawn(found)


def test_many_slices_are_counted_not_listed() -> None:
    """The file stays small."""
    group = np.repeat(np.arange(50), 4)
    now = np.where(np.arange(200) % 4 == 0, 0.6, 0.4)
    found = measure(now, np.full(200, 0.4), group=group)
    assert (len(found["slices"]), found["slices_judged"]) == (12, 50)
    assert "Not listed: 38 slices with less" in drawn(found)
    assert len(json.dumps(found)) < 5000


def test_a_hostile_slice_is_shown_and_does_nothing() -> None:
    """In the report and on a terminal."""
    columns: dict[str, Any] = {HOSTILE[0]: np.repeat(HOSTILE, 2)}
    found = measure([0.6, 0.4] * len(HOSTILE), [0.4] * 2 * len(HOSTILE), **columns)
    for text in (drawn(found), told(found)):
        assert "\u202e" not in text and "watermark.png" not in text and "x" * 100 not in text
    assert "`@octocat closes #1 <script>alert(1)</script>`" in " ".join(drawn(found).split())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_a_score_that_is_no_number_is_refused(bad: float | None) -> None:
    """Before anything is compared, and a comparison has no shadow then."""
    now = pl.DataFrame({"key": [1, 2], "truth": [0, 1], "score": [0.2, bad]})
    then = now.with_columns(pl.Series("score", [0.2, 0.7]))
    with pytest.raises(load("predictions").Unusable):
        load("predictions").align({"now": now, "base": then}, "binary")
    compared = load("compare").compare(now, None, then, task=task(), gate=gate())
    assert compared["verdict"] == "blocked" and compared["shadow"] is None


def test_a_comparison_names_the_champion() -> None:
    """Production, or base where that is the champion; without one there is no shadow."""
    rng = np.random.default_rng(3)
    now = pl.DataFrame({"key": range(99), "truth": [0, 1, 1] * 33, "score": rng.random(99)})
    other = now.with_columns(score=1 - pl.col("score"))

    def shadow(*baselines: Any, **more: Any) -> Any:
        found = load("compare").compare(now, *baselines, task=task(), gate=gate(), **more)
        return found["shadow"]

    assert shadow(None) is None and shadow(other) is None
    assert shadow(now, other)["against"] == "production"
    assert shadow(other, champion="base")["changed"] == 99
    assert shadow(now, other, champion="base")["changed"] == 0
