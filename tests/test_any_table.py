"""Another table and another model, by editing the three files that a team edits first."""

import json

import pytest
import yaml

from conftest import Bake

pytestmark = pytest.mark.slow

INGEST = '''
"""Houses, their size and quarter, and what they were sold for."""

from pathlib import Path

import msgspec
import numpy as np
import polars as pl

LATER = ("commission",)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    until: None
    houses: int


def run(options: Options, raw: Path) -> None:
    """Write one batch of houses; some sizes are not known."""
    rng = np.random.default_rng(0)
    size = rng.normal(120, 40, options.houses).clip(20)
    quarter = rng.integers(0, 8, options.houses)
    table = pl.DataFrame(
        {
            "house": np.arange(options.houses),
            "size": np.where(rng.random(options.houses) < 0.1, np.nan, size),
            "rooms": (size / 30).astype(int),
            "quarter": [f"Q{n} | <b>@north</b>" if n else None for n in quarter],
            "price": 3000 * size + 20_000 * quarter + rng.normal(0, 30_000, options.houses),
        }
    ).with_columns(pl.col("size").fill_nan(None))
    raw.mkdir(parents=True)
    table.write_parquet(raw / "houses.parquet")
'''

SCHEMA = '''
"""The contract of the houses."""

import pandera.polars as pa
import polars as pl

SCHEMA = pa.DataFrameSchema(
    {
        "house": pa.Column(pl.Int64, pa.Check.ge(0)),
        "size": pa.Column(pl.Float64, pa.Check.in_range(10, 1000), nullable=True),
        "rooms": pa.Column(pl.Int64, pa.Check.in_range(0, 50)),
        "quarter": pa.Column(pl.String, nullable=True),
        "price": pa.Column(pl.Float64),
    },
    strict=True,
)
'''

TASK = {
    "kind": "regression",
    "target": "price",
    "metric": "rmse",
    "threshold": 0.5,
    "key": "house",
    "time": None,
    "cluster": None,
    "numeric": ["size", "rooms"],
    "categorical": ["quarter"],
}


def test_three_files_turn_the_project_into_a_regression(bake: Bake) -> None:
    """Other columns, no dates, missing values: pipeline, checks and report work."""
    project = bake()
    params = yaml.safe_load(project.read("params.yaml"))
    params["task"] = TASK
    params["ingest"] = {"until": None, "houses": 6000}
    params["train"]["estimator"] = "sklearn.ensemble.HistGradientBoostingRegressor"
    params["train"]["arguments"] = {"max_iter": 60}
    params["evaluate"] |= {"slices": ["quarter"], "sensitive": ["quarter"]}
    params["evaluate"]["min_slice_rows"] = 100
    params["gate"] |= {"margin": 500, "floors": {"rmse": 60_000}, "jump": 10_000}
    project.write("params.yaml", yaml.safe_dump(params, sort_keys=False))
    project.write("src/flight_delays/ingest.py", INGEST.lstrip())
    project.write("src/flight_delays/schema.py", SCHEMA.lstrip())
    output = project.make("repro", "sample", "check", "report", "card", "datasheet").stdout
    assert "RMSE" in output
    metrics = json.loads(project.read("reports/metrics.json"))
    assert metrics["rmse"]["value"] < metrics["rmse"]["dummy"]["value"]
    assert 0.15 < metrics["holdout"]["rows"] / 6000 < 0.25
    report = project.read("reports/report.md")
    assert "independent" in report
    assert (project.path / "reports/plots/residuals.csv").exists()
    assert "MAE, difference" in project.read("reports/card.md")
    assert "| `price` | target |" in project.read("reports/datasheet.md")
    project.write("new.csv", "house,size,rooms,quarter\n90001,100,3,Q1\n90002,,4,\n")
    project.make("predict", INPUT="new.csv", OUTPUT="scores.csv")
    assert len(project.read("scores.csv").splitlines()) == 3


def test_a_target_of_many_classes_goes_through_the_pipeline(bake: Bake) -> None:
    """The same houses in three classes: training, checks, report, gate and scoring."""
    project = bake()
    params = yaml.safe_load(project.read("params.yaml"))
    params["task"] = TASK | {"kind": "multiclass", "metric": "log_loss", "target": "class"}
    params["ingest"] = {"until": None, "houses": 6000}
    params["train"]["arguments"] = {"max_iter": 60}
    params["evaluate"]["slices"] = ["quarter"]
    params["gate"]["floors"] = {"log_loss": 1.0}
    project.write("params.yaml", yaml.safe_dump(params, sort_keys=False))
    classes = '"class": np.digitize(size, [90, 150]),\n            "price":'
    project.write("src/flight_delays/ingest.py", INGEST.lstrip().replace('"price":', classes))
    columns = '"class": pa.Column(pl.Int64, pa.Check.in_range(0, 2)),\n        "price":'
    project.write("src/flight_delays/schema.py", SCHEMA.lstrip().replace('"price":', columns))
    output = project.make("repro", "sample", "check", "report").stdout
    assert "Log loss" in output
    metrics = json.loads(project.read("reports/metrics.json"))
    assert metrics["roc_auc"]["value"] > 0.9
    assert "likeliest class" in project.read("reports/report.md")
    same = ["data/predictions.parquet", "data/predictions.parquet", "--out", "comparison.json"]
    project.run(".venv/bin/python", "-m", "flight_delays", "compare", *same)
    assert json.loads(project.read("comparison.json"))["kind"] == "multiclass"
    project.write("new.csv", "house,size,rooms,quarter,price\n90001,100,3,Q1,1\n90002,,4,,1\n")
    project.make("predict", INPUT="new.csv", OUTPUT="scores.csv")
    head = project.read("scores.csv").splitlines()[0]
    assert head.startswith("house,score_0,score_1,score_2,model_version,")


@pytest.mark.parametrize(
    ("estimator", "arguments", "encoding"),
    [
        ("sklearn.linear_model.LogisticRegression", {"C": 0.5, "max_iter": 300}, "onehot"),
        (
            "sklearn.ensemble.RandomForestClassifier",
            {"n_estimators": 20, "max_depth": 8},
            "ordinal",
        ),
        ("xgboost.XGBClassifier", {"n_estimators": 30, "device": "cpu"}, "ordinal"),
    ],
)
def test_another_estimator_needs_its_name_and_arguments(
    bake: Bake, estimator: str, arguments: dict[str, object], encoding: str
) -> None:
    """Any scikit-learn-compatible class, through the same file format and the same checks."""
    project = bake()
    params = yaml.safe_load(project.read("params.yaml"))
    params["train"] |= {"estimator": estimator, "arguments": arguments, "encoding": encoding}
    if estimator.startswith("xgboost"):
        params["train"]["environment"] = "xgboost"
    project.write("params.yaml", yaml.safe_dump(params, sort_keys=False))
    project.make("repro", "test")
    metrics = json.loads(project.read("reports/metrics.json"))
    assert metrics["roc_auc"]["value"] > 0.65
    locked = yaml.safe_load(project.read("dvc.lock"))["stages"]["train"]["deps"]
    environment = params["train"]["environment"]
    assert f"requirements/{environment}.lock" in {dep["path"] for dep in locked}
