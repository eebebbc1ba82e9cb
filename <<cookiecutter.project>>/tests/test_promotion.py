"""Where `release` begins, in repositories that were made by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import load
from histories import LOCK, History

MODEL = LOCK % {"environment": "e" * 32, "data": "d" * 32, "model": "a" * 32}
WORKFLOW = ".github/workflows/ci.yml"


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A laptop and its remote, which has no branch yet."""
    (tmp_path / "laptop").mkdir()
    found = History(tmp_path / "laptop")
    write(found, WORKFLOW, "on: push\n")
    write(found, "data/README.md", "What is here.\n")
    found.git("add", "-A")
    found.git("commit", "-q", "--amend", "-m", "Generated")
    found.git("init", "-q", "--bare", str(tmp_path / "remote"))
    found.git("remote", "add", "origin", str(tmp_path / "remote"))
    return found


def write(history: History, path: str, content: str) -> None:
    (history.root / path).parent.mkdir(parents=True, exist_ok=True)
    (history.root / path).write_text(content)


def begun(history: History) -> list[str]:
    """The commits of the branch `release` that was made on the remote."""
    made = load("gitops.promotion").begin(history.root, "origin")
    assert made == history.git("rev-parse", "origin/release")
    assert load("gitops.history").releases("origin/release", history.root) == []
    return history.git("rev-list", "origin/release").split()


def test_it_begins_at_the_first_commit_where_that_has_no_model(history: History) -> None:
    history.train("A model", "a")
    assert begun(history) == [history.git("rev-list", "--max-parents=0", "main")]


def everything_at_once(history: History) -> None:
    """The first commit has a model already."""
    write(history, "dvc.lock", MODEL)
    history.git("add", "-A")
    history.git("commit", "-q", "--amend", "-m", "Everything")


def another_workflow(history: History) -> None:
    """The first commit has a workflow that `main` has no more."""
    write(history, WORKFLOW, "on: pull_request\n")
    history.train("A model", "a")


@pytest.mark.parametrize("change", [everything_at_once, another_workflow])
def test_it_begins_with_a_history_of_its_own_elsewhere(
    history: History, change: Callable[[History], None]
) -> None:
    """With the files of `main` but for its dvc.lock; what is merged then is the first release."""
    change(history)
    (start,) = begun(history)
    assert start not in history.git("rev-list", "main").split()
    assert history.git("diff", "--name-status", "origin/release", "main") == "A\tdvc.lock"
    history.git("branch", "-f", "release", "origin/release")
    history.merge("Merge pull request #1 from o/promote/1")
    (found,) = load("gitops.history").releases("release", history.root)
    assert (found.number, found.model) == (1, "a" * 32)


def test_it_begins_at_the_same_commit_again(history: History) -> None:
    """Where two begin at once, or one was killed before its push."""
    everything_at_once(history)
    assert begun(history) == begun(history)
