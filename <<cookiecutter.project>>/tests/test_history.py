"""What was in production, read from histories that were made by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import load
from histories import History


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


@pytest.fixture
def releases(history: History) -> Callable[[], Any]:
    return lambda: load("gitops.history").releases("release", history.root)


def test_before_the_first_promotion_there_is_none(releases: Callable[[], Any]) -> None:
    assert releases() == []


def test_a_release_holds_what_git_knows_of_it(
    history: History, releases: Callable[[], Any]
) -> None:
    """Position, who merged, when, which pull request, and what its lock names."""
    history.train("A model", "a")
    commit = history.merge("Merge pull request #7 from team/promote/1234567\n\nThe first")
    (found,) = releases()
    assert (found.number, found.commit, found.who, found.pull) == (1, commit, "Bob", 7)
    assert found.when == "2023-11-14T22:15:20+00:00"
    assert (found.model, found.environment) == ("a" * 32, "e" * 32)
    assert found.lock == {"data/train": "d" * 32 + ".dir", "models/model.skops": "a" * 32}
    assert (len(found.identity), found.reason) == (64, "")


def test_only_what_was_merged_counts(history: History, releases: Callable[[], Any]) -> None:
    """Models that main had in between were never in production."""
    for model in "ab":
        history.train(model, model)
    history.merge("Merge pull request #7 from team/promote/1")
    history.train("c", "c")
    assert [(each.number, each.model[0]) for each in releases()] == [(1, "b")]


def test_a_rollback_is_an_entry_that_names_an_older_model(
    history: History, releases: Callable[[], Any]
) -> None:
    """Code alone shipped is none, and its reason comes from the merged commits."""
    rollback_of = load("gitops.history").rollback_of
    history.train("a", "a")
    history.merge("one (#1)")
    history.train("b", "b")
    history.merge("two (#2)")
    history.train("Code alone", "b")
    history.merge("three (#3)")
    history.git("checkout", "-q", "-b", "rollback/v1", "release")
    history.commit("Back to v1\n\nReason: late flights\n came out early", "a")
    history.commit("Note it")
    history.merge("Merge pull request #4 from team/rollback/v1", "rollback/v1")
    found = releases()
    back = [rollback_of(found, index) for index in range(4)]
    assert [each and each.number for each in back] == [None, None, None, 1]
    assert [each.reason for each in found] == ["", "", "", "late flights came out early"]
    assert [each.pull for each in found] == [1, 2, 3, 4]


def test_twice_back_is_each_time_the_newest_of_that_model(
    history: History, releases: Callable[[], Any]
) -> None:
    for number, model in enumerate("abab", 1):
        history.train(f"{model}{number}", model)
        history.merge(f"Promote (#{number})")
    found = releases()
    back = [load("gitops.history").rollback_of(found, index) for index in range(4)]
    assert [each and each.number for each in back] == [None, None, 1, 2]


def test_the_merge_commits_own_reason_comes_first(
    history: History, releases: Callable[[], Any]
) -> None:
    history.train("a\n\nReason: inner", "a")
    history.merge("Merge pull request #1 from x/y\n\nReason: outer")
    history.train("b", "b")
    history.merge("Merge pull request #2 from x/y")
    assert [each.reason for each in releases()] == ["outer", ""]


def test_squashes_and_rebases_are_understood(history: History, releases: Callable[[], Any]) -> None:
    """A squash names its pull request at the end; a rebased commit names none."""
    history.git("checkout", "-q", "release")
    history.commit("Promote 1234567 (#12)\n\nReason: asked for", "a", who="Cy")
    history.commit("A rebased commit", "b")
    history.commit('Revert "Promote 1234567 (#12)" (#13)', "a")
    found = releases()
    assert [each.pull for each in found] == [12, None, 13]
    assert [each.who for each in found] == ["Cy", "Ann", "Ann"]
    assert found[0].reason == "asked for"


def test_a_lock_that_nothing_can_read_names_no_model(
    history: History, releases: Callable[[], Any]
) -> None:
    """A conflict that somebody committed is no release, and hides none."""
    history.train("a", "a")
    history.merge("one (#1)")
    (history.root / "dvc.lock").write_text("<" * 7 + " HEAD\n")
    history.commit("A conflict")
    (history.root / "dvc.lock").unlink()
    history.commit("No lock")
    history.train("b", "b")
    history.merge("two (#2)")
    assert [(each.number, each.model[0]) for each in releases()] == [(1, "a"), (2, "b")]


def test_a_history_that_is_cut_off_is_refused(history: History, tmp_path: Path) -> None:
    """Each number would be wrong."""
    history.train("a", "a")
    history.merge("one")
    address, cut = f"file://{history.root}", tmp_path / "cut"
    history.git("clone", "-q", "--depth", "1", "-b", "release", address, str(cut))
    with pytest.raises(load("errors").ProjectError, match="--unshallow"):
        load("gitops.history").releases("release", cut)


def test_a_revision_that_is_not_there_is_gits_own_sentence(history: History) -> None:
    with pytest.raises(load("errors").ProjectError, match="`git log` failed: fatal"):
        load("gitops.history").releases("nowhere", history.root)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            b"ssh: no route\nfatal: no access\n\nPlease make sure\nand it exists.\n",
            "fatal: no access",
        ),
        (b"hint: a\nerror: failed to push\n", "error: failed to push"),
        (b"something else\n", "something else"),
        (b"", "no output"),
    ],
)
def test_what_failed_is_gits_own_line(said: bytes, line: str) -> None:
    """Not the advice below it."""
    assert load("gitops.lock").complaint(said) == line
