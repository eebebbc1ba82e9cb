"""The same inputs give the same bytes, and what cannot be trained is refused in one sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import change, first, fit, load


def test_trained_twice_the_model_is_the_same(params: Any, made: Path) -> None:
    """Not one byte differs, although skops writes addresses and times."""
    fit(params, made, "again.skops")
    assert (made / "again.skops").read_bytes() == (made / "model.skops").read_bytes()


def test_a_loaded_model_is_written_back_the_same(made: Path) -> None:
    """Reading and writing a model changes nothing in it."""
    model = load("model")
    assert model.dump(model.load(made / "model.skops")) == (made / "model.skops").read_bytes()


def test_the_scores_are_those_of_the_file(params: Any, made: Path) -> None:
    """What is judged is the model in the file, asked as `predict` asks it."""
    model = load("model")
    held = pl.read_parquet(made / "holdout/*.parquet")
    found = model.score(model.load(made / "model.skops"), held, params.task)
    assert found.tolist() == pl.read_parquet(made / "scores.parquet")["score"].to_list()


def test_cost_is_noted(made: Path) -> None:
    """Time, memory, size and latency are measured and belong to this model."""
    figures = json.loads((made / "system.json").read_text())
    assert figures["model_bytes"] == (made / "model.skops").stat().st_size
    assert min(figures["fit_seconds"], figures["peak_memory_bytes"], figures["latency_p95_ms"]) > 0
    assert figures["gpu"] is None


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"estimator": "sklearn.ensemble.NoSuchForest"}, "cannot be imported"),
        ({"estimator": "no_such_package.Model"}, "cannot be imported"),
        ({"arguments": {"no_such_argument": 1}}, "do not fit"),
        ({"arguments": {"max_leaf_nodes": -5}}, "cannot be trained"),
        ({"arguments": {"device": "cuda"}}, "asks for a GPU"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    params: Any, made: Path, keys: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, and no model is written."""
    monkeypatch.setenv("PATH", str(made))  # no nvidia-smi here, whatever this machine has
    default = {"estimator": "sklearn.ensemble.HistGradientBoostingRegressor", "arguments": {}}
    with pytest.raises(load("errors").ProjectError, match=sentence):
        fit(change(params, train=default | keys), made, "refused.skops")
    assert not (made / "refused.skops").exists()


def test_a_number_without_any_value_is_named(params: Any, made: Path) -> None:
    """Where the estimator refuses it, and in other words than its own."""
    if not params.task.numeric:
        pytest.skip("the table has no numbers")
    train, model, name = load("train"), load("model"), params.task.numeric[0]
    table = first(made / "train")[1].with_columns(pl.lit(None, pl.Float64).alias(name))
    dotted = "sklearn.ensemble.HistGradientBoostingRegressor"
    estimator = model.create(dotted, {"max_iter": 1}, params.task, "ordinal", 0)
    pipeline, truth = model.build(params.task, "ordinal", estimator), np.arange(float(len(table)))
    with pytest.raises(load("errors").ProjectError, match=f"'{name}' has no value in the"):
        train.fit(pipeline, table, truth, params.task)


def test_a_gpu_that_is_there_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Utilisation and memory are read while the model is fitted."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100, 40 %, 1234 MiB'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with load("train").Gpu(wanted=True) as gpu:
        pass
    expected = {"name": "NVIDIA H100", "utilization_percent": 40.0, "peak_memory_mib": 1234}
    assert gpu.figures() == expected


def test_a_type_that_is_not_trusted_is_refused(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file is read under the allow-list of the repository, and of nobody else."""
    model = load("model")
    if not model.skops.io.get_untrusted_types(file=made / "model.skops"):
        pytest.skip("this estimator needs no entry of the list")
    monkeypatch.setattr(model, "TRUSTED", [])
    with pytest.raises(load("errors").ProjectError, match="not trusted"):
        model.load(made / "model.skops")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", None], ids=["empty", "torn", "gone"])
def test_a_damaged_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """The sentence names the command that brings it back."""
    if content is not None:
        (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(load("errors").ProjectError, match="make pull"):
        load("model").load(tmp_path / "model.skops")
