"""What a job leaves on a machine that is kept."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import load
from histories import History

leave, errors = load("gitops.leave"), load("errors")
LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """A checkout of the job `train`."""
    monkeypatch.setenv("GITHUB_RUN_ID", f"{os.getpid()}")
    monkeypatch.setenv("GITHUB_JOB", "train")
    return History(tmp_path)


def sleeper(**other: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"], env={**os.environ, **other})


def test_all_that_is_not_in_the_commit_goes(history: History) -> None:
    """What Git ignores too, and folders that are repositories."""
    (history.root / ".gitignore").write_text("/.venv/\n/data/\n")
    history.commit("Ignores")
    for name in (".venv/lib", "data/raw", "other"):
        (history.root / name).mkdir(parents=True)
        (history.root / name / "file").write_text("left")
    history.git("init", "-q", str(history.root / "other"))
    leave.run(history.root)
    assert sorted(path.name for path in history.root.iterdir()) == [".git", ".gitignore", "code"]


@LINUX
def test_a_process_of_the_job_is_ended_and_no_other(history: History) -> None:
    """Not that of another job, nor those that this one runs in."""
    own, other = sleeper(), sleeper(GITHUB_JOB="check")
    try:
        leave.run(history.root)
        assert own.wait(60) == -signal.SIGKILL and other.poll() is None
    finally:
        for each in (own, other):
            each.kill()
            each.wait()


def test_on_a_laptop_nothing_is_deleted(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_RUN_ID")
    (history.root / "mine").write_text("a day's work")
    with pytest.raises(errors.ProjectError, match="make clean"):
        leave.run(history.root)
    assert (history.root / "mine").exists()
