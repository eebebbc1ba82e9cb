"""What the tests share: the package under its own name, the sample rows, one run of the pipeline.

Nothing here knows the table: it follows `schema.py`, `params.yaml` and the rows in tests/sample,
which `make sample` draws anew from another table.
"""

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = next(ROOT.glob("src/*/cli.py")).parent.name


def load(module: str) -> Any:
    """A module of the package, such as `split`."""
    return import_module(f"{PACKAGE}.{module}")


def change(params: Any, **sections: dict[str, Any]) -> Any:
    """The parameters with some keys of some sections replaced."""
    replaced = {
        name: msgspec.structs.replace(getattr(params, name), **keys)
        for name, keys in sections.items()
    }
    return msgspec.structs.replace(params, **replaced)


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def params() -> Any:
    """The project's parameters, for few rows: slices of any size are judged."""
    return change(load("params").load(ROOT / "params.yaml"), evaluate={"min_slice_rows": 1})


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A copy of the sample rows, to be broken at will."""
    folder = tmp_path / "sample"
    shutil.copytree(ROOT / "tests/sample", folder)
    return folder


@pytest.fixture(scope="session")
def made(params: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the pipeline ran once on the sample rows."""
    folder = tmp_path_factory.mktemp("made")
    pipeline(params, ROOT / "tests/sample", folder)
    return folder


def pipeline(params: Any, raw: Path, folder: Path) -> None:
    """Run every stage after ingest, as dvc.yaml does."""
    paths = ("valid", "data.json", "violations.md")
    load("validate").run(params, raw, *(folder / name for name in paths))
    load("split").run(params, *(folder / name for name in ("valid", "train", "holdout")))
    fit(params, folder)
    scored = ("holdout", "scores.parquet", "importance.parquet")
    judged = ("predictions.parquet", "metrics.json", "plots")
    load("evaluate").run(params, *(folder / name for name in scored + judged))


def fit(params: Any, folder: Path, model: str = "model.skops") -> None:
    names = ("train", "holdout", model, "scores.parquet", "importance.parquet", "system.json")
    load("train").run(params, *(folder / name for name in names))


def first(folder: Path) -> tuple[Path, pl.DataFrame]:
    """The first file of a folder of batches, and its rows."""
    file = min(folder.glob("*.parquet"))
    return file, pl.read_parquet(file)
