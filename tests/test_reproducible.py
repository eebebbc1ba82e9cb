"""The same inputs give the same bytes, wherever and however the pipeline runs."""

import os
from pathlib import Path

import pytest

from baking import BakedProject
from conftest import Bake
from pythons import pythons

pytestmark = pytest.mark.slow


def run(project: BakedProject, python: Path, threads: int) -> dict[str, bytes]:
    """Run the pipeline from clean with a Python and a number of threads; the lock and the model."""
    own = f"{python.parent}{os.pathsep}{project.environment['PATH']}"
    limits = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS")
    env = {"PATH": own, **dict.fromkeys(limits, str(threads))}
    project.make("setup", "repro", env=env)
    names = ("dvc.lock", "models/model.skops", "reports/metrics.json")
    return {name: (project.path / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def reference() -> dict[str, bytes]:
    return {}


def versions() -> list[tuple[str, int]]:
    """Each Python that this machine has, each with other threads; the first one twice."""
    found = sorted(pythons())
    again = [(version, 1 + 2 * place) for place, version in enumerate(found)]
    return [(found[0], 2), *again]


@pytest.mark.parametrize(("version", "threads"), versions())
def test_the_whole_lock_is_the_same(
    bake: Bake, reference: dict[str, bytes], version: str, threads: int
) -> None:
    """Other processes, threads, folders and Pythons: `dvc.lock` does not differ in one byte."""
    found = run(bake(python_version=version), pythons()[version], threads)
    if not reference:
        reference.update(found)
    assert found == reference
