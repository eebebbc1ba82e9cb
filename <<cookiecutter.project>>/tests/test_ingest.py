"""Nothing that is only known later reaches the model."""

from typing import Any

from conftest import load


def test_no_column_that_is_known_later_is_in_the_contract() -> None:
    """The contract is strict, so a column that it does not list never leaves `ingest`."""
    assert load("schema").SCHEMA.strict
    assert not set(load("ingest").LATER) & set(load("schema").SCHEMA.columns)


def test_the_target_is_no_feature(params: Any) -> None:
    """Neither the target nor the key is among what the model sees."""
    assert not {params.task.target, params.task.key} & set(params.task.features)
