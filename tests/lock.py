"""Renew the locks: those of the tests, and those of every kind of project (`make lock`).

A project makes its own locks, so here one of each kind is generated, runs `make lock UPGRADE=1`,
and hands its files back.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from baking import Oven, isolated_environment
from options import REPOSITORY, questions

LOCKS = REPOSITORY / "<<cookiecutter.project>>/requirements"
NPM = ".github/preview/package-lock.json"
COMPILE = (
    *("uv", "pip", "compile", "-q", "--upgrade", "--universal", "--python-version", "3.11"),
    *("--fork-strategy", "fewest", "--generate-hashes", "--no-header", "--no-annotate"),
    "--no-emit-index-url",
)


def main() -> None:
    for group in ("tests", "cookiecutter", "postgres"):
        print(f"lock: tests/{group}.lock", flush=True)
        command = [*COMPILE, "--group", group, "-o", f"tests/{group}.lock"]
        subprocess.run(command, cwd=REPOSITORY, check=True)
    with tempfile.TemporaryDirectory() as folder:
        environment = isolated_environment(Path(folder), Path(folder, "cache"))
        environment["UV_CACHE_DIR"] = os.environ.get("UV_CACHE_DIR", environment["UV_CACHE_DIR"])
        oven = Oven(Path(folder), environment)
        for store in questions()["store"]:
            print(f"lock: a project with the store {store}", flush=True)
            project = oven.bake(Path(folder, store), {"store": store})
            project.make("lock", UPGRADE=1)
            for lock in (project.path / "requirements").iterdir():
                shutil.copyfile(lock, LOCKS / template_name(lock.name, store))
            shutil.copyfile(project.path / NPM, LOCKS.parent / NPM)


def template_name(lock: str, store: str) -> str:
    """The store's lock has another content in each kind of project, and a name of its own here."""
    if lock != "store.lock":
        return lock
    return f'<% if cookiecutter.store == "{store}" %>store.lock<% endif %>'


if __name__ == "__main__":
    main()
