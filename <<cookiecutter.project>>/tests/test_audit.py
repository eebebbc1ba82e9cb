"""What was in production and where a model comes from, read from histories made by hand."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import load
from histories import LOCK, History

audit, errors, notes = load("gitops.audit"), load("errors"), load("gitops.notes")


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """Two champions, a rollback with its reason, and a parameter that git knows; no token."""
    for name in notes.TOKEN:
        monkeypatch.delenv(name, raising=False)
    found = History(tmp_path)
    metrics = found.root / "reports/metrics.json"
    metrics.parent.mkdir()
    (found.root / "params.yaml").write_text("task: {metric: roc_auc}\n")
    metrics.write_text(json.dumps({"roc_auc": {"value": 0.75}}))
    found.train("One", "a")
    found.merge("Merge pull request #1 from o/promote/1")
    found.train("Two", "b")
    found.merge("Merge pull request #2 from o/promote/2", who="=Eve|")
    found.merge("Merge pull request #3 from o/rollback\n\nReason: too slow", "release^1")
    return found


def written(history: History) -> tuple[str, list[dict[str, Any]], list[dict[str, str]]]:
    """The table as Markdown, JSON and CSV."""
    output = history.root / "reports/audit"
    audit.run(history.root, output)
    with output.with_suffix(".csv").open(newline="") as file:
        sheet = list(csv.DictReader(file))
    found = json.loads(output.with_suffix(".json").read_text())
    return output.with_suffix(".md").read_text(), found, sheet


def test_every_release_is_listed_with_why_it_left(history: History) -> None:
    """In three forms that say the same."""
    text, found, sheet = written(history)
    assert [each["left"] for each in found] == [
        "replaced by v2",
        "rolled back to v1 by v3: too slow",
        "",
    ]
    assert [each["model"][0] for each in found] == ["a", "b", "a"]
    assert {each["value"] for each in found} == {0.75}
    assert found[0]["to"] == found[1]["from"] and found[-1]["to"] == ""
    assert len(text.splitlines()) == 2 + len(sheet) == 5


def test_a_stranger_s_name_breaks_neither_table_nor_sheet(history: History) -> None:
    """It is a code span, and no formula."""
    text, _, sheet = written(history)
    assert r"`=Eve\|`" in text and sheet[1]["merged by"] == "'=Eve|"


def test_nothing_in_production_is_said(tmp_path: Path) -> None:
    with pytest.raises(errors.ProjectError, match="nothing was in production yet"):
        audit.run(History(tmp_path).root, tmp_path / "reports/audit")
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("wanted", ["v2", "bbbbbb", "b" * 32])
def test_a_model_is_found_by_release_or_hash(
    history: History, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    audit.lineage(history.root, "origin", wanted)
    told = capsys.readouterr().out
    assert f"model: {'b' * 32}" in told and "v2, merged by =Eve|" in told and ": Two" in told
    assert "params.task.metric: roc_auc" in told and f"environment: {'e' * 32}" in told


def test_a_model_has_its_run_and_its_reviewers(
    history: History, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run by the tag that MLflow has; who approved it, where there is a token to ask GitHub."""
    audit.lineage(history.root, "origin", "v2")
    told = capsys.readouterr().out
    lock = LOCK % {"environment": "e" * 32, "data": "d" * 32, "model": "b" * 32}
    assert f"dvc_lock={hashlib.sha256(lock.encode()).hexdigest()}\n" in told
    assert "reviewers: Who approved it is unknown without a GitHub token.\n" in told
    for name in (*notes.TOKEN, "GITHUB_ACTIONS"):
        monkeypatch.setenv(name, "given")
    ann = {"user": {"login": "ann"}, "state": "APPROVED"}
    monkeypatch.setattr(notes.github, "pages", {"/pulls/2/reviews": [ann]}.__getitem__)
    audit.lineage(history.root, "origin", "v2")
    assert "reviewers: Approved by `ann`.\n" in capsys.readouterr().out


@pytest.mark.parametrize("wanted", ["", "v9", "abc", "--all", "f" * 32, "b.*bbbbb"])
def test_an_unknown_model_is_said(history: History, wanted: str) -> None:
    with pytest.raises(errors.ProjectError, match="no commit of this clone names it"):
        audit.lineage(history.root, "origin", wanted)
