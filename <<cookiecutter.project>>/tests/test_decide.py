"""Whether a night trains: the table in the README, row by row, and the sentences."""

import re
from typing import Any

import msgspec
import pytest
from conftest import ROOT, load

decide = load("decide")
RULES = msgspec.convert({"min_new_share": 0.05, "max_age_days": 90}, load("params").Retrain)
NOTHING = decide.Found(model=True, rows=100, trained=10_000, age=30)
PROMISED = {"promised": (0.70, 0.76)}
KEPT = decide.Quality("roc_auc", (0.69, 0.75), **PROMISED)
BROKEN = decide.Quality("roc_auc", (0.60, 0.69), **PROMISED)

ROWS: dict[str, Any] = {
    "too few rows for a split": NOTHING._replace(model=False, short="3 days are left"),
    "somebody asks for it": NOTHING._replace(forced="a new airline"),
    "`main` has no model": NOTHING._replace(model=False),
    "newer days that repeat earlier ones": NOTHING._replace(repeated=True, quality=BROKEN),
    "newer rows, all without a label": NOTHING._replace(rows=0, unlabelled=300, age=400),
    "no newer rows": NOTHING._replace(rows=0, age=400, drifted=("temp",)),
    "a metric below what was promised": NOTHING._replace(quality=BROKEN),
    "drift that the past does not show": NOTHING._replace(drifted=("temp", "humid")),
    "data older than its models keep": NOTHING._replace(age=61, due=60),
    "data of `max_age_days` or more": NOTHING._replace(age=90),
    "`min_new_share` of new rows or more": NOTHING._replace(rows=500),
    "anything else": NOTHING._replace(quality=KEPT),
}
"""What a night finds, in the README's words, and as facts."""


def told() -> dict[str, tuple[str, str]]:
    """The README's table: what a night finds, what it does, and what it says."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("\n## Every night\n")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| (.+?) \| (trains|waits) \| (.+?) \|$", section)
    return {found: (does, says) for found, does, says in rows}


def test_the_readme_has_each_rule_in_its_order() -> None:
    assert list(told()) == list(ROWS)


@pytest.mark.parametrize("found", ROWS)
def test_a_night_does_and_says_what_the_readme_tells(found: str) -> None:
    decision = decide.decide(ROWS[found], RULES)
    does, says = told()[found]
    assert decision.train == (does == "trains")
    assert [reason.replace("\N{NO-BREAK SPACE}", " ") for reason in decision.reasons] == [says]


def test_all_reasons_are_told() -> None:
    found = NOTHING._replace(rows=5000, age=200, drifted=("temp",), quality=BROKEN)
    assert len(decide.decide(found, RULES).reasons) == 4


@pytest.mark.parametrize(("now", "broken"), [((5.2, 6.0), True), ((4.9, 6.0), False)])
def test_of_an_error_more_is_worse(now: tuple[float, float], broken: bool) -> None:
    quality = decide.Quality("mae", now, (4.0, 5.0), lower_is_better=True)
    assert quality.broken == broken


def test_what_is_not_known_is_not_called_steady() -> None:
    """Ten rows of one day: neither drift nor quality can be judged."""
    few = NOTHING._replace(rows=10, unjudged="CURRENT has 1 values of 'day', and 5 are needed")
    (reason,) = decide.decide(few, RULES).reasons
    assert "drift is not judged (CURRENT has 1 values" in reason and "cannot be told" in reason
    assert "nothing has drifted" not in reason and "as promised" not in reason


def test_drift_of_rows_without_labels_is_told_and_trains_nothing() -> None:
    waiting = NOTHING._replace(rows=0, unlabelled=300, drifted=("temp",), age=400)
    decision = decide.decide(waiting, RULES)
    assert not decision.train and decision.reasons[1].endswith("not before: temp")


def test_a_column_s_name_stays_on_its_line() -> None:
    """In the log of a job a line of its own could be a command."""
    (reason,) = decide.decide(NOTHING._replace(drifted=("a\n::error::b",)), RULES).reasons
    assert reason.endswith("not before: a ::error::b")


def test_of_many_columns_five_are_named() -> None:
    names = tuple(f"column_{place}" for place in range(12))
    (reason,) = decide.decide(NOTHING._replace(drifted=names), RULES).reasons
    assert "column_4 and 7 more" in reason and "column_5" not in reason
