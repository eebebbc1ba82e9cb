"""What age costs a model, with known answers."""

from typing import Any

import numpy as np
import pytest
from conftest import load

staleness, told = load("staleness"), load("reporting.staleness")
MONTHS = [f"2013-{month:02}" for month in range(1, 9)]


def aged(loss: float, noise: float = 0.0) -> list[Any]:
    """A model a month, each on all later months, which differ; `loss` in 30 days."""
    random = np.random.default_rng(0)
    found = []
    for place, month in enumerate(MONTHS):
        hard = random.normal(0, 0.05)  # a hard month is hard for every model
        for made in range(place):
            age = 30 * (place - made)
            value = 0.75 + hard - loss * age / 30 + random.normal(0, noise)
            model = f"{made}" * 32
            found.append(staleness.Score(model, f"2013-{made + 1:02}-28", month, age, value, 1000))
    return found


def test_a_loss_is_found_though_months_differ_by_more() -> None:
    decay = staleness.decay(aged(0.004, 0.001), lower_is_better=False)
    assert decay.low < 0.004 < decay.high and decay.low > 0 and decay.months == 6
    assert 60 < decay.days(0.01) < 95


def test_of_an_error_more_is_worse() -> None:
    decay = staleness.decay(aged(-0.004), lower_is_better=True)
    assert decay.loss == pytest.approx(0.004)


def test_where_age_costs_nothing_no_model_is_due() -> None:
    decay = staleness.decay(aged(0.0, 0.005), lower_is_better=False)
    assert decay.low < 0 < decay.high and decay.days(0.01) is None


def test_few_months_say_nothing() -> None:
    few = [score for score in aged(0.004) if score.month <= "2013-04"]
    assert staleness.decay(few, lower_is_better=False) is None
    assert "Too few models" in told.sentence(None, "roc_auc", 0.01)


def test_the_table_has_a_line_a_model_and_a_column_a_month() -> None:
    scores = aged(0.004)
    decay = staleness.decay(scores, lower_is_better=False)
    text = str(told.section(scores, decay, "roc_auc", 0.01)).replace("\N{NON-BREAKING HYPHEN}", "-")
    assert "A model loses 0.0040 ROC AUC in 30" in text and "in 75 days" in text
    assert text.count("\n| 2013-") == 7 and "2013-03 |" in text
    assert told.section([], None, "roc_auc", 0.01) is None
