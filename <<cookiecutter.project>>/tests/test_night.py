"""What a night finds in the new rows; a whole night is tested with the workflows."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from conftest import load

night = load("gitops.night")
SCORE = "score"


@pytest.fixture
def known(made: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model that was made from the sample rows; its store is that folder."""

    def obtain(root: Path, files: Any, paths: Iterable[str], place: Any, target: Path) -> None:
        for path in paths:
            source, copy = made / Path(path).name, target / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, copy)

    monkeypatch.setattr(night.supply, "obtain", obtain)
    task = load("params").load().task
    columns = {"numeric": task.numeric, "categorical": task.categorical}
    model = SimpleNamespace(root=made, files={}, digest=lambda path: None)
    model.params = lambda: {"task": columns}
    return model


def rows(made: Path) -> pl.DataFrame:
    return pl.read_parquet(made / "holdout/*.parquet")


def test_predictions_are_held_against_those_on_the_held_out_rows(
    params: Any, known: Any, made: Path
) -> None:
    """Unchanged rows are the same rows to a model, whatever it thinks of those it knows."""
    found = night.moved(params, known, rows(made))
    trained = pl.scan_parquet(made / "train/*.parquet").select(pl.len()).collect().item()
    new = rows(made).height
    assert found["rows"] == {"reference": trained, "current": new, "unseen": new}
    assert found["columns"][SCORE]["role"] == "prediction"
    assert not any("predictions" in warning for warning in found["warnings"])
    assert found["columns"][SCORE]["distance"] == 0
    assert found["columns"][f"error of {SCORE}"]["role"] == "quality"


@pytest.mark.parametrize("fault", ["a column that is no more", "another file"])
def test_a_model_that_cannot_score_leaves_the_inputs_to_be_judged(
    params: Any, known: Any, made: Path, fault: str
) -> None:
    """And the result says why."""
    if fault == "another file":
        known.digest = lambda path: "0" * 32
    else:
        known.params()["task"]["numeric"] = ["no more"]
    found = night.moved(params, known, rows(made))
    assert "predictions are not judged: " in found["warnings"][-1]
    assert found["roles"]["prediction"]["judged"] == 0
    assert any(column["distance"] is not None for column in found["columns"].values())


def test_predictions_have_a_name_in_a_sentence() -> None:
    roles = {"temp": "feature", SCORE: "prediction", f"error of {SCORE}": "quality"}
    said = [night.called(name, {"role": role}) for name, role in roles.items()]
    assert said == ["temp", "its predictions", "the errors of its predictions"]


@pytest.mark.parametrize(
    ("alarm", "new", "counts"), [(True, None, True), (True, False, False), (True, True, True)]
)
def test_an_alarm_counts_where_there_is_no_past(
    alarm: bool, new: bool | None, counts: bool
) -> None:
    assert night.counts({"alarm": alarm, "new": new}) == counts
