"""The model card tells what the files say of one model, and who let it through."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import load
from situations import HOSTILE, Results, comparison

card, errors, params, text = (
    load("reporting.card"),
    load("errors"),
    load("params"),
    load("text"),
)
ACCEPTED = {"by": "octocat", "when": "2026-11-21T07:30:00Z", "why": "VX leaves", "model": "a" * 32}


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
    card.run(settings, *files, reports / "plots", lock, output)
    return (reports / "card.md").read_text(encoding="utf-8").replace(text.NARROW, " ")


def test_a_card_names_the_model_and_how_good_it_is(results: Results) -> None:
    """By its hash, on its held-out rows, with the interval and the groups."""
    told = write(results)
    assert "a" * 32 in told and "1,000 rows" in told
    assert "**ROC AUC 0.744** (95 % interval 0.717 to 0.770)" in told
    assert "<b>Slices</b>" in told and "blocked" not in told


def test_a_card_tells_of_one_model_alone(results: Results) -> None:
    """What it was once compared with is the report's."""
    results.comparison = {"verdict": "better"}
    assert "Better than a linear model" in write(results)


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
    assert "a table without time" in told and "0.2 of the keys" in told


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
