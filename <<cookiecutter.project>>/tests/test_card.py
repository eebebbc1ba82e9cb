"""The model card tells what the files say of one model, and who let it through."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import load
from situations import HOSTILE, SYSTEM, Results, comparison

card, errors, params, text = (
    load("reporting.card"),
    load("errors"),
    load("params"),
    load("text"),
)
ACCEPTED = {"by": "octocat", "when": "2026-11-21T07:30:00Z", "why": "VX leaves", "model": "a" * 32}
FAIRNESS: dict[str, Any] = {
    "column": "sex",
    "groups": [
        {
            "group": name,
            "rows": 600,
            "selection_rate": {"rows": 600, "value": rate, "low": rate - 0.05, "high": rate + 0.05},
            "true_positive_rate": {"rows": 90, "value": None, "low": None, "high": None},
        }
        for name, rate in (("f", 0.3), ("m", 0.2))
    ],
    "small": {"groups": 2, "rows": 30},
    "gaps": [
        {
            "name": "demographic_parity_difference",
            **{"value": 0.1, "low": 0.02, "high": 0.18, "highest": "f", "lowest": "m"},
        }
    ],
}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


def write(results: Results, accepted: dict[str, Any] | None = None) -> str:
    """The card, with plain spaces."""
    results.lay()
    reports = results.folder / "reports"
    if accepted is not None:
        results.put("reports/accepted.json", json.dumps(accepted))
    files = (reports / "metrics.json", reports / "data.json", reports / "system.json")
    settings = params.convert(results.settings, params.Params)
    lock, output = results.folder / "dvc.lock", reports / "card.md"
    card.run(settings, *files, reports / "plots", lock, reports / "comparison.json", output)
    return (reports / "card.md").read_text(encoding="utf-8").replace(text.NARROW, " ")


def test_a_card_names_the_model_and_how_good_it_is(results: Results) -> None:
    """By its hash, on its held-out rows, with the interval and the groups."""
    told = write(results)
    assert "a" * 32 in told and "1,000 rows" in told
    assert "**ROC AUC 0.744** (95 % interval 0.717 to 0.770)" in told
    assert "<b>Slices</b>" in told and "blocked" not in told


def test_a_card_says_what_people_said(results: Results) -> None:
    """What for, whose, how risky, where it ends; and what was not measured."""
    told = write(results)
    assert "Ranks flights by risk." in told and "| `acme` |" in told
    assert "**minimal**, under the EU AI Act" in told and "Article" not in told
    assert "- Weather is as observed." in told and "Fairness was not measured" in told


def test_a_card_says_from_when_its_data_are_and_what_trained_it(results: Results) -> None:
    """First and last day, rows, and the versions that the environment's lock file pins."""
    results.system = SYSTEM | {"python": "3.12.7"}
    results.put("requirements/train.lock", "numpy==2.0.1 \\\n    --hash=sha256:00\nodd==1\n")
    told = write(results)
    assert "| 4,000 rows: 2013-01-01 to 2013-05-05 |" in told
    assert "| 1,000 rows: the last 8 weeks, 2013-05-06 to 2013-06-30 |" in told
    assert "| `3.12.7` |" in told and "| `numpy` `2.0.1` |" in told


def test_another_model_s_python_is_not_told(results: Results) -> None:
    """The run cache brings a model, and leaves the figures of the one before."""
    results.system = SYSTEM | {"python": "3.12.7", "model": "b" * 32}
    assert "3.12.7" not in write(results)


def test_a_high_risk_card_says_what_the_act_asks(results: Results) -> None:
    results.settings["card"] |= {"risk": "high", "oversight": "A dispatcher decides."}
    told = write(results)
    assert "| Human oversight <sub>Article 14</sub> | A dispatcher decides. |" in told
    assert "Record-keeping" not in told


def test_a_card_says_how_groups_of_people_fare(results: Results) -> None:
    """Each rate with its n, the gaps with their intervals, and what is too small."""
    results.settings["evaluate"]["sensitive"] = ["sex"]
    results.metrics["fairness"] = [FAIRNESS]
    told = write(results)
    assert "<b>Fairness</b>: <code>sex</code> demographic parity, difference 0.100" in told
    assert "| `f` | 600 | 0.300 <sub>(0.250 to 0.350)</sub> | 90 | too few rows |" in told
    assert "0.100 <sub>(0.020 to 0.180)</sub> | `f` over `m` |" in told
    assert "Counted, not judged: 2 groups of `sex` under 400 rows, 30 rows in all." in told
    assert "Fairness was not measured" not in told


def test_hostile_groups_are_quoted(results: Results) -> None:
    """Of a sensitive column's name and values too."""
    results.settings["evaluate"]["sensitive"] = ["sex"]
    for said in HOSTILE:
        (one, other), (gap,) = FAIRNESS["groups"], FAIRNESS["gaps"]
        hostile = {"column": said, "groups": [one | {"group": said}, other]}
        results.metrics["fairness"] = [FAIRNESS | hostile | {"gaps": [gap | {"highest": said}]}]
        section = write(results).split("<b>Fairness</b>")[1].split("</details>")[0]
        bare = re.sub(r"(`+).+?\1|<code>.*?</code>", "", section)
        assert not any(bad in bare for bad in ("@octocat", "<script", "![", "# title")), bare


def test_a_card_tells_what_the_model_was_compared_with(results: Results) -> None:
    """Beside its own figures; another model's comparison is left out."""
    results.comparison = comparison("better")
    told = write(results)
    assert "Better than a linear model" in told
    assert "### Compared" in told and "Better than `main`" in told
    results.comparison["models"]["now"]["model"] = "b" * 32
    assert "### Compared" not in write(results)


def test_an_acceptance_is_told_of_its_own_model_only(results: Results) -> None:
    """With name, date and reason; one of another model says nothing of this one."""
    told = write(results, ACCEPTED)
    assert "`octocat` accepted it on 2026-11-21 07:30 UTC: VX leaves." in told
    assert "octocat" not in write(results, ACCEPTED | {"model": "b" * 32})


def test_a_promotions_report_holds_the_card(results: Results) -> None:
    """Closed; a pull request to `main` has none."""
    results.comparison = comparison("better", target="release")
    results.put("reports/accepted.json", json.dumps(ACCEPTED))
    told = results.write()
    assert "<b>Model card</b>: predicts <code>late</code>" in told and "`octocat` accepted" in told
    results.comparison = comparison("better")
    assert "Model card" not in results.write()


def test_a_regression_without_time_has_a_card(results: Results) -> None:
    results.regression()
    results.settings["task"]["time"] = results.settings["ingest"]["until"] = None
    told = write(results)
    assert "a table without time" in told and "20 % by a stable hash of `id`" in told


def test_a_stranger_s_reason_is_quoted(results: Results) -> None:
    """In code spans, on one line, and cut."""
    for said in HOSTILE:
        told = write(results, ACCEPTED | {"why": said, "by": said})
        (line,) = [line for line in told.splitlines() if "The gate blocked" in line]
        bare = re.sub(r"(`+).+?\1", "", line)
        assert not any(bad in bare for bad in ("@octocat", "<", "|", "#", "![")), line
        assert len(line) < 700


def test_a_damaged_acceptance_is_said(results: Results) -> None:
    results.lay()
    results.put("reports/accepted.json", "<" * 7)
    with pytest.raises(errors.ProjectError, match=r"accepted\.json is damaged"):
        write(results)
