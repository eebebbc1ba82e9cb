"""Batch scoring as a process: killed, on a full disk, beside another, on a table of any size."""

import fcntl
import hashlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from baking import IDENTITY, BakedProject, Oven
from team import set_params

pytestmark = pytest.mark.slow

# Ends itself by a signal while the third part is scored.
KILLED = """
import os, signal, sys
from flight_delays import cli, model

score, calls = model.score, []

def killed(*arguments):
    calls.append(arguments)
    if len(calls) == 3:
        os.kill(os.getpid(), int(sys.argv[1]))
    return score(*arguments)

model.score = killed
sys.exit(cli.main(["predict", *sys.argv[2:]]))
"""

PEAK = """
import resource, sys
from flight_delays import cli

code = cli.main(["predict", *sys.argv[1:]])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""

# What skops would call if its list were the file's own.
POISON = """
import io, json, sys, zipfile
from pathlib import Path

text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
words = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode"}
words["content"] = [text | {"content": json.dumps("touch owned"), "is_json": True}]
call = {"__class__": "system", "__module__": "posix", "__loader__": "ConstructorFromReduceNode"}
schema = call | {"content": words, "protocol": 2, "_skops_version": "0.16"}
with zipfile.ZipFile("models/model.skops", "w") as archive:
    archive.writestr("schema.json", json.dumps(schema))
if sys.argv[1:]:
    import skops.io
    from unittest import mock
    with mock.patch("skops.io._persist.audit_tree"):
        skops.io.load("models/model.skops")
"""


THREADS = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def project(oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> BakedProject:
    """A project with a model of few trees, made from the sample rows and committed."""
    project = oven.bake(tmp_path_factory.mktemp("predict"), {})
    set_params(project, max_iter="20", rows_at_once="300")
    project.make("setup")
    paths = ("data/valid", "reports/data.json", "reports/violations.md")
    call(project, "validate", "tests/sample", *paths)
    call(project, "split", "data/valid", "data/train", "data/holdout")
    paths = ("models/model.skops", "data/scores.parquet", "data/importance.parquet")
    call(project, "train", "data/train", "data/holdout", *paths, "reports/system.json")
    lock(project)
    project.run("git", "add", ".", env=IDENTITY)
    project.run("git", "commit", "-qm", "The first model", env=IDENTITY)
    return project


def call(project: BakedProject, *words: str) -> None:
    project.run(".venv/bin/python", "-m", "flight_delays", *words)


def lock(project: BakedProject) -> None:
    """A dvc.lock that names the model as it is."""
    md5 = hashlib.md5((project.path / "models/model.skops").read_bytes()).hexdigest()
    outs = [{"path": "models/model.skops", "md5": md5}]
    project.write("dvc.lock", json.dumps({"stages": {"train": {"outs": outs}}}))


def words(project: BakedProject, source: Path, output: Path) -> list[str]:
    """The arguments of the command, as the Makefile gives them."""
    return ["models/model.skops", "dvc.lock", str(source), str(output), "predictions"]


@pytest.fixture
def rows(project: BakedProject, tmp_path: Path) -> Path:
    """The held-out sample rows as one file."""
    file = tmp_path / "rows" / "rows.parquet"
    file.parent.mkdir()
    pl.read_parquet(project.path / "data/holdout/*.parquet").write_parquet(file)
    return file


@pytest.fixture(autouse=True)
def as_committed(project: BakedProject) -> Iterator[None]:
    """Each test finds the project as it was."""
    kept = (project.path / "models/model.skops").read_bytes()
    yield
    (project.path / "models/model.skops").write_bytes(kept)
    project.run("git", "checkout", "-q", ".")
    project.run("git", "clean", "-fdxq", "predictions")


def log(project: BakedProject) -> list[str]:
    folder = project.path / "predictions"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_leaves_no_half_file_and_can_be_repeated(
    project: BakedProject, rows: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """The output and the log appear only once everything is scored."""
    output = tmp_path / "out" / "scores.csv"
    given = words(project, rows, output)
    ended = project.run(
        ".venv/bin/python", "-c", KILLED, str(int(number)), *given, env=THREADS, check=False
    )
    assert ended.returncode == -number
    assert [path.name for path in output.parent.iterdir()] == [".scores.csv.part"]
    assert log(project) == []
    project.make("predict", INPUT=rows, OUTPUT=output)
    assert [path.name for path in output.parent.iterdir()] == ["scores.csv"]
    assert len(log(project)) == 1
    assert pl.read_csv(output).height == pl.read_parquet(rows).height


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is full")
def test_a_full_disk_is_one_sentence(project: BakedProject, rows: Path, tmp_path: Path) -> None:
    """Nothing half-written stays; after making room the same command works."""
    output = tmp_path / "scores.parquet"
    name = hashlib.sha256(os.fsencode(output)).hexdigest()[:16]
    (project.path / "predictions").mkdir()
    (project.path / f"predictions/.{name}.part").symlink_to("/dev/full")
    full = project.make("predict", INPUT=rows, OUTPUT=output, check=False)
    assert full.returncode != 0 and "Traceback" not in full.stderr
    assert "predict: the disk is full" in full.stderr
    assert log(project) == [] and [path.name for path in tmp_path.iterdir()] == ["rows"]
    project.make("predict", INPUT=rows, OUTPUT=output)
    assert output.exists()


def test_two_runs_for_one_output_do_not_mix(
    project: BakedProject, rows: Path, tmp_path: Path
) -> None:
    """The second says so and touches nothing."""
    output = tmp_path / "scores.csv"
    folder = tmp_path / ".scores.csv.part"
    folder.mkdir()
    (folder / "scored-0.parquet").touch()
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    second = project.make("predict", INPUT=rows, OUTPUT=output, check=False)
    os.close(handle)
    assert "another run is writing" in second.stderr and "Traceback" not in second.stderr
    assert (folder / "scored-0.parquet").exists() and not output.exists()


def test_how_many_rows_are_read_at_once_changes_no_bit(
    project: BakedProject, rows: Path, tmp_path: Path
) -> None:
    """One at a time, seven, or all."""
    pl.read_parquet(rows).head(60).write_parquet(rows)
    found = []
    for size in ("1", "7", "1000000"):
        project.run("git", "checkout", "-q", "params.yaml")
        set_params(project, rows_at_once=size)
        output = tmp_path / f"{size}.parquet"
        project.make("predict", INPUT=rows, OUTPUT=output)
        found.append(pl.read_parquet(output).drop("scored_at"))
    assert found[0].equals(found[1]) and found[0].equals(found[2])


def test_the_version_is_the_release_or_the_commit(
    project: BakedProject, rows: Path, tmp_path: Path
) -> None:
    """The tag of the release that is checked out, else the commit that brought the model."""
    brought = project.run("git", "rev-parse", "HEAD").stdout.strip()
    project.write("NEWS.md", "More.\n")
    project.run("git", "add", ".", env=IDENTITY)
    project.run("git", "commit", "-qm", "More", env=IDENTITY)
    assert version(project, rows, tmp_path) == brought
    project.run("git", "tag", "v7")
    assert version(project, rows, tmp_path) == "v7"
    project.write("dvc.lock", project.read("dvc.lock") + "\n")
    assert version(project, rows, tmp_path) == "not committed"


def version(project: BakedProject, rows: Path, folder: Path) -> str:
    project.make("predict", INPUT=rows, OUTPUT=folder / "scores.csv")
    (name,) = pl.read_csv(folder / "scores.csv")["model_version"].unique()
    return str(name)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_memory_does_not_follow_the_rows(project: BakedProject, tmp_path: Path, kind: str) -> None:
    """Ten times the rows take nearly the same memory."""
    set_params(project, rows_at_once="5000")
    one = pl.read_parquet(project.path / "data/holdout/*.parquet")
    peaks = []
    for copies in (20, 200):
        file = tmp_path / f"{copies}.{kind}"
        parts = [one.lazy().with_columns(pl.col("flight_id") + f" {n}") for n in range(copies)]
        table = pl.concat(parts)
        table.sink_csv(file) if kind == "csv" else table.sink_parquet(file, row_group_size=20_000)
        given = words(project, file, tmp_path / "scores.csv")
        said = project.run(".venv/bin/python", "-c", PEAK, *given, env=THREADS).stdout
        assert f"{copies * one.height:,} rows scored" in said
        peaks.append(int(said.split()[-1]))
    assert peaks[1] < 1.3 * peaks[0]


def test_a_poisoned_model_is_refused_before_it_runs(
    project: BakedProject, rows: Path, tmp_path: Path
) -> None:
    """By its hash; and where the lock was forged too, by the type that it holds."""
    project.run(".venv/bin/python", "-c", POISON, "unguarded", check=False)
    assert project.has("owned")
    (project.path / "owned").unlink()
    for sentence in ("is not the model that dvc.lock names", "holds the type posix.system"):
        output = tmp_path / "scores.csv"
        refused = project.make("predict", INPUT=rows, OUTPUT=output, check=False)
        assert refused.returncode != 0
        assert sentence in refused.stderr and "Traceback" not in refused.stderr
        assert not project.has("owned") and not output.exists()
        lock(project)
