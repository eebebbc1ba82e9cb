"""A PostgreSQL of its own for a test, from Debian's package, on a socket in a folder."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from baking import BakedProject
from options import REPOSITORY

LOCK = REPOSITORY / "tests/postgres.lock"


def programs() -> Path | None:
    """Debian's folder with `initdb` and `postgres`, the newest; None without the package."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """The address of a new, empty database; nothing listens on a port, and nothing stays.

    PostgreSQL refuses to run as root: then it runs as the user that Debian's package made.
    """
    found, user = programs(), "postgres" if os.geteuid() == 0 else None
    assert found
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))  # pytest's folders are closed to others
    if user:
        shutil.chown(folder, user)
    options = {"cwd": folder, "user": user, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
    data, log = folder / "data", folder / "log"
    new = ("--no-sync", "--auth", "trust", "--username", "mlflow", "--encoding", "UTF8")
    quick = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    control = (found / "pg_ctl", "--silent", "--wait", "--pgdata", data)

    def run(*command: object) -> None:
        words = [str(word) for word in command]
        done = subprocess.run(words, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        run(found / "initdb", *new, "--pgdata", data)
        run(*control, "--log", log, "--options", quick, "start")
        try:
            yield f"postgresql+psycopg2://mlflow@/postgres?host={folder}"
        finally:
            run(*control, "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def driver(project: BakedProject, folder: Path) -> Path:
    """A folder with PostgreSQL's driver, for the PYTHONPATH of a server: no project has it."""
    python = project.path / ".venv-tracking/bin/python"
    where = ("--python", python, "--target", folder)
    project.run(".venv/bin/uv", "pip", "install", "-q", *where, "--require-hashes", "-r", LOCK)
    return folder
