"""A release's notes say who approved it and what it was compared with, as git and GitHub know."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import load
from histories import History

errors, notes, text = load("errors"), load("gitops.notes"), load("text")
Tell = Callable[..., str]


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """Two champions with their metrics; nobody has a token."""
    for name in notes.TOKEN:
        monkeypatch.delenv(name, raising=False)
    found = History(tmp_path)
    measured(found, 0.7)
    found.train("One", "a")
    found.merge("Merge pull request #1 from o/promote/1")
    found.git("checkout", "-q", "main")
    measured(found, 0.75)
    found.train("Two", "b")
    found.merge("Merge pull request #2 from o/promote/2\n\nReviewed-by: Carol", who="Eve|@all")
    return found


def measured(history: History, value: float) -> None:
    metric = {"value": value, "low": value - 0.01, "high": value + 0.01}
    file = history.root / "reports/metrics.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"holdout": {"rows": 9}, "roc_auc": metric, "fairness": []}))


@pytest.fixture
def tell(history: History) -> Tell:
    """The notes of one of the releases, the newest by default, with plain spaces."""

    def told(upto: int | None = None) -> str:
        known = load("gitops.history").releases("release", history.root)
        return str(notes.notes(history.root, known[:upto])).replace(text.NARROW, " ")

    return told


def answers(monkeypatch: pytest.MonkeyPatch, said: Any, asked: str = "/pulls/2/reviews") -> None:
    """What GitHub says of a pull request, its reviews by default, to a job that has a token."""
    for name in notes.TOKEN:
        monkeypatch.setenv(name, "given")

    def pages(path: str) -> Any:
        assert path == asked
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(notes.github, "pages", pages)


def review(login: str | None, state: str) -> dict[str, Any]:
    return {"user": login and {"login": login}, "state": state}


def test_the_champion_before_stands_beside_it(tell: Tell) -> None:
    """By the metrics that git has of both, with their intervals."""
    told = tell()
    assert "| Metric | v2 | v1, the champion before |" in told
    row = "| ROC AUC | 0.750 <sub>(0.740 to 0.760)</sub> | 0.700 <sub>(0.690 to 0.710)</sub> |"
    assert row in told and told.count("<sub>(") == 2


def test_the_first_champion_was_compared_with_none(tell: Tell) -> None:
    assert "the first champion" in tell(1) and "| Metric |" not in tell(1)


def test_a_release_of_other_code_says_so(history: History, tell: Tell) -> None:
    """The model is the one before; there is nothing to compare."""
    history.git("checkout", "-q", "main")
    history.commit("Other code")
    history.merge("Merge pull request #3 from o/promote/3")
    assert "The model is that of v2; other code was shipped." in tell()


def test_without_a_token_git_alone_is_asked(tell: Tell) -> None:
    """And it is said what is not known then."""
    told = tell()
    assert "Merged by `Eve|@all` on 2023-11-14 by #2." in told
    assert (
        "Reviewed by Carol, says its commit. Who approved it is unknown without a GitHub token."
        in told
    )


def test_a_job_asks_github_who_approved(monkeypatch: pytest.MonkeyPatch, tell: Tell) -> None:
    """The last word of each counts; a comment is none, and an account may be gone."""
    reviews = [
        review("ann", "APPROVED"),
        review("ann", "COMMENTED"),
        review("ben", "APPROVED"),
        review("ben", "CHANGES_REQUESTED"),
        review("cy", "CHANGES_REQUESTED"),
        review("cy", "APPROVED"),
        review(None, "APPROVED"),
    ]
    answers(monkeypatch, reviews)
    assert "Approved by `ann`, `cy`." in tell() and "ben" not in tell()


def test_that_nobody_approved_is_said(monkeypatch: pytest.MonkeyPatch, tell: Tell) -> None:
    answers(monkeypatch, [review("ann", "COMMENTED")])
    assert "Nobody approved it on GitHub." in tell()


def test_a_github_that_does_not_answer_stops_no_release(
    monkeypatch: pytest.MonkeyPatch, tell: Tell
) -> None:
    answers(monkeypatch, errors.ProjectError("GitHub is on holiday"))
    assert "GitHub did not say." in tell()


COMMENTS = "/issues/2/comments"


def comment(body: str, kind: str | None = "Bot") -> dict[str, Any]:
    return {"user": kind and {"type": kind}, "body": body}


def test_the_report_is_the_one_that_reviewers_read(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CML's newest by its mark, which is cut off; what a person or another tool wrote is none."""
    release = load("gitops.history").releases("release", history.root)[-1]
    mark = '\n\n![](https://cml.dev/watermark.png#{} "CML watermark {}")'
    other = comment("Covered" + mark.format("4a", "coverage"))
    ours = [comment(text + mark.format(text[-1], "model report")) for text in ("Old a", "New b")]
    theirs = comment(f"Good{mark.format('b', 'model report')}", "User")
    quoted = comment(f"{ours[0]['body']} and so on")
    said = [other, *ours, other, theirs, quoted, comment("Gone", None)]
    answers(monkeypatch, said, COMMENTS)
    assert notes.reviewed(release) == "New b\n"
    answers(monkeypatch, [other, theirs], COMMENTS)
    assert notes.reviewed(release) == ""


def test_without_github_there_is_no_such_report(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = load("gitops.history").releases("release", history.root)[-1]
    assert notes.reviewed(release) == ""
    answers(monkeypatch, errors.ProjectError("GitHub is on holiday"), COMMENTS)
    assert notes.reviewed(release) == ""


def test_metrics_that_git_cannot_read_are_left_out(history: History, tell: Tell) -> None:
    """The release goes on."""
    (history.root / "reports/metrics.json").write_text("<" * 7)
    history.train("Three", "c")
    history.merge("Merge pull request #4 from o/promote/4")
    assert "| Metric |" not in tell() and "Merged by" in tell()
