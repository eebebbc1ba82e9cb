"""Fixtures: a project from any answers, in an environment that touches nothing of yours."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from baking import IDENTITY, BakedProject, Oven, isolated_environment
from options import REPOSITORY
from rig import GitHub

Bake = Callable[..., BakedProject]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of every command that a test runs; downloads are kept between runs."""
    return isolated_environment(tmp_path_factory.mktemp("home"), REPOSITORY / ".cache")


@pytest.fixture(scope="session")
def oven(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Oven:
    return Oven(tmp_path_factory.mktemp("oven"), environment)


@pytest.fixture
def bake(oven: Oven, tmp_path: Path) -> Bake:
    """Generate a project: `bake(store="s3")`; the copy is the test's own to change."""
    numbers = itertools.count()
    return lambda **answers: oven.bake(tmp_path / f"baked-{next(numbers)}", answers)


@pytest.fixture(scope="module")
def hub(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    """A GitHub for the tests of a module, who ask it nothing that the real one does not know."""
    with GitHub(tmp_path_factory.mktemp("github"), environment | IDENTITY) as hub:
        yield hub
    assert hub.violations == []


@pytest.fixture(scope="module", autouse=True)
def tidied(
    tmp_path_factory: pytest.TempPathFactory, oven: Oven, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Remove what a module's projects left on the disk, some gigabytes, unless a test failed."""
    place = tmp_path_factory.getbasetemp()
    before, failed = set(place.iterdir()), request.session.testsfailed
    yield
    if request.session.testsfailed == failed:
        for each in set(place.iterdir()) - before:
            shutil.rmtree(each, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests come first, so that a slip shows in seconds."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
