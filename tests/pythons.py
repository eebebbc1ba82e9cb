"""The Python interpreters of this machine that a project can use."""

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from options import questions


@functools.cache
def pythons() -> dict[str, Path]:
    """Map each supported version that really runs here to its interpreter."""
    found = {}
    for version in sorted(questions()["python_version"]):
        paths = (running(candidate, version) for candidate in candidates(version))
        if path := next((path for path in paths if path), None):
            found[version] = path
    return found


def candidates(version: str) -> Iterator[str]:
    """Yield the command on PATH, then pyenv's own: a pyenv shim may be there and yet not run."""
    if command := shutil.which(f"python{version}"):
        yield command
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(
        str, sorted(root.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)
    )


def running(command: str, version: str) -> Path | None:
    """Ask an interpreter for its version and path, because a shim's path says neither."""
    question = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    answer = subprocess.run([command, "-c", question], capture_output=True, text=True, check=False)
    actual, _, path = answer.stdout.strip().partition(" ")
    return Path(path) if answer.returncode == 0 and actual == version else None
