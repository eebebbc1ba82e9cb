"""Leave a machine as the job found it: a self-hosted runner keeps what a hosted one throws away.

Standard library only, for the environment is among what goes.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import ProjectError

NAMES = ("GITHUB_RUN_ID", "GITHUB_JOB")
"""What each process of a job has in its environment."""

PROCESSES = Path("/proc")


def run(root: Path) -> None:
    """End the job's processes, and delete all that is not in the commit.

    Environments, data, DVC's cache and what the job left half written lie in the checkout; uv's
    downloads do not, and stay for the next run.

    Raises:
        ProjectError: this is no workflow's checkout, or something cannot be deleted.
    """
    if not all(os.environ.get(name) for name in NAMES):
        raise ProjectError(
            "leave deletes all that is not in the commit, so it is for a workflow's checkout: on a "
            "laptop, `make clean` removes environments and caches"
        )
    ended = sum(end(process) for process in ours())
    done = subprocess.run(
        ["git", "clean", "-ffdx"], cwd=root, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise ProjectError(f"git clean failed, so the next run may: {done.stderr.strip()[:300]}")
    print(f"leave: {ended} processes ended, {len(done.stdout.splitlines())} paths deleted")


def ours() -> list[int]:
    """The job's processes but those that this one was started by; none where there is no /proc."""
    marks = {f"{name}={os.environ[name]}".encode() for name in NAMES}
    spared, found = set(ancestry(os.getpid())), []
    for folder in PROCESSES.glob("[0-9]*"):
        with suppress(OSError):
            known = (folder / "environ").read_bytes().split(b"\0")
            if marks <= set(known) and int(folder.name) not in spared:
                found.append(int(folder.name))
    return found


def ancestry(process: int) -> Iterator[int]:
    """A process, the one that started it, and so on."""
    while process:
        yield process
        try:
            told = (PROCESSES / str(process) / "stat").read_text()
        except OSError:
            return
        process = int(told.rpartition(")")[2].split()[1])


def end(process: int) -> bool:
    """End it at once: nobody waits for its result any more."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGKILL)
        return True
    return False
