"""What is to do for MLflow's registry to agree with a history: plans over plain values."""

from typing import Any

import pytest
from conftest import load


def release(number: int, model: str) -> Any:
    """Release `number`, which brought a model and the lock of that number."""
    return load("gitops.history").Release(
        number=number,
        commit=f"{number:040}",
        when="2026-01-31T00:00:00+00:00",
        who="Bob",
        pull=number,
        subject="Promote",
        lock={"data/train": "t.dir", "models/model.skops": model},
        model=model,
        environment="e",
        identity=f"{number:064}",
        reason="",
    )


def history(models: str) -> list[Any]:
    return [release(number, model) for number, model in enumerate(models, 1)]


def version(number: int, of: Any, **changed: str) -> Any:
    return load("gitops.projection").Version(number, load("gitops.projection").tags(of) | changed)


def found(*versions: Any, **aliases: int) -> Any:
    return load("gitops.projection").Found(versions, aliases)


def plan(releases: list[Any], registry: Any) -> list[str]:
    return [str(action) for action in load("gitops.projection").plan(releases, registry)]


def test_an_empty_registry_gets_each_model_once_and_the_champion() -> None:
    """A rollback, and code that shipped alone, make no version."""
    assert plan(history("aabca"), found()) == [
        "register the model a of v1 (0000000)",
        "register the model b of v3 (0000000)",
        "register the model c of v4 (0000000)",
        "point 'champion' at the model a of v5 (0000000)",
    ]


def test_what_agrees_needs_nothing() -> None:
    """Whatever MLflow's own numbers are."""
    past = history("aba")
    registry = found(version(7, past[1]), version(12, past[0]), champion=12, somebodys=7)
    assert plan(past, registry) == []


def test_a_rollback_moves_the_alias_and_no_more() -> None:
    past = history("aba")
    registry = found(version(1, past[0]), version(2, past[1]), champion=2)
    assert plan(past, registry) == ["point 'champion' at the model a of v3 (0000000)"]


@pytest.mark.parametrize("aliases", [{}, {"champion": 1}, {"champion": 99}])
def test_an_alias_that_somebody_moved_comes_back(aliases: dict[str, int]) -> None:
    past = history("ab")
    registry = found(version(1, past[0]), version(2, past[1]), **aliases)
    assert plan(past, registry) == ["point 'champion' at the model b of v2 (0000000)"]


def test_a_version_that_somebody_deleted_comes_back() -> None:
    past = history("ab")
    assert plan(past, found(version(2, past[1]), champion=2)) == [
        "register the model a of v1 (0000000)"
    ]


def test_a_deleted_champion_comes_back_with_its_alias() -> None:
    past = history("ab")
    assert plan(past, found(version(1, past[0]))) == [
        "register the model b of v2 (0000000)",
        "point 'champion' at the model b of v2 (0000000)",
    ]


def test_tags_that_somebody_edited_come_back_and_others_stay() -> None:
    (past,) = history("a")
    edited = version(1, past, merged_by="Eve", theirs="stays")
    assert plan([past], found(edited, champion=1)) == ["correct merged_by of version 1"]


def test_of_two_versions_of_one_model_the_lowest_stays() -> None:
    """Killed between its version and its clearing up; the alias goes to the one that stays."""
    past = history("a")
    registry = found(version(4, past[0]), version(3, past[0]), champion=4)
    assert plan(past, registry) == [
        "point 'champion' at the model a of v1 (0000000)",
        "remove version 4, which doubles version 3",
    ]
    assert plan(past, found(*registry.versions, champion=3, theirs=4)) == []


def test_what_others_registered_is_left_alone() -> None:
    """Without our tags, or of a model that this history does not have."""
    past = history("a")
    theirs = load("gitops.projection").Version(1, {"owner": "somebody"})
    newer = version(3, release(9, "z"))
    registry = found(theirs, version(2, past[0]), newer, champion=2)
    assert plan(past, registry) == []


def test_a_version_says_where_its_model_came_from() -> None:
    assert load("gitops.projection").tags(release(7, "a")) == {
        "model_md5": "a",
        "train_md5": "t.dir",
        "environment_md5": "e",
        "dvc_lock": f"{7:064}",
        "release": "v7",
        "commit": f"{7:040}",
        "merged_by": "Bob",
        "merged_at": "2026-01-31T00:00:00+00:00",
        "pull_request": "7",
    }
