"""One whole life on the real data: the README's commands, typed on a new machine.

The tests of this file are one story, told in their order; each goes on where the last one ended.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml

from baking import IDENTITY, BakedProject, copy_template, isolated_environment
from options import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> BakedProject:
    """A fresh copy of the template on a machine with an empty HOME and no uv."""
    environment = isolated_environment(tmp_path_factory.mktemp("home"), REPOSITORY / ".cache")
    own = str(REPOSITORY / ".venv/bin")
    folders = environment["PATH"].split(os.pathsep)
    environment["PATH"] = os.pathsep.join(folder for folder in folders if folder != own)
    return BakedProject(copy_template(tmp_path_factory.mktemp("clone")), environment | IDENTITY)


@pytest.fixture(scope="module")
def project(clone: BakedProject) -> BakedProject:
    """The project that `make demo` left."""
    return BakedProject(clone.path / "demo/flight-delays", clone.environment)


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Git server, as far as a folder can be one; it serves partial clones, as GitHub does."""
    folder = tmp_path_factory.mktemp("remote") / "flight-delays.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder], check=True)
    subprocess.run(["git", "-C", folder, "config", "uploadpack.allowFilter", "true"], check=True)
    yield folder


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def readme_commands() -> list[str]:
    """The commands of the first block of the README, which must end before its line 25."""
    lines = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()[:25]
    begin, end = [i for i, line in enumerate(lines) if line.startswith("```")][:2]
    return [line.split("#")[0].strip() for line in lines[begin + 1 : end]]


def test_the_first_commands_of_the_readme_are_the_two() -> None:
    """A reader finds them before line 25, and CI runs the second."""
    assert [command for command in readme_commands() if "git" not in command] == [
        "make demo",
        "make test",
    ]
    assert "exec make test" in (REPOSITORY / ".ci/run").read_text()


def test_make_demo_generates_a_project_and_runs_it(clone: BakedProject) -> None:
    """Progress while it works; at the end the places, the headline with its interval, what next."""
    assert readme_commands().count("make demo") == 1
    output = clone.make("demo").stdout
    assert stages_run(output) == ["ingest", "validate", "split", "train", "evaluate"]
    end = output.splitlines()[-5:]
    assert re.search(r"ROC AUC 0\.\d{3} \(95 % interval 0\.\d{3} to 0\.\d{3}\)", end[0])
    assert [line.split()[0] for line in end[1:]] == ["project:", "report:", "metrics:", "next:"]
    for line in end[1:4]:
        assert (clone.path / line.split()[1]).exists()


def test_a_second_demo_changes_nothing(clone: BakedProject, project: BakedProject) -> None:
    """It is quick: nothing is generated, set up or run again."""
    before = {path: path.stat().st_mtime_ns for path in project.path.rglob("*.py")}
    output = clone.make("demo").stdout
    assert "setup:" not in output and "generating" not in output
    assert stages_run(output) == []
    assert {path: path.stat().st_mtime_ns for path in project.path.rglob("*.py")} == before


def test_the_data_reaches_as_far_as_declared(project: BakedProject) -> None:
    """Six monthly batches; the last eight weeks before 30 June are held out."""
    assert len(list((project.path / "data/raw").iterdir())) == 6
    held = sorted(path.name for path in (project.path / "data/holdout").iterdir())
    assert held == ["2013-05.parquet", "2013-06.parquet"]
    assert json.loads(project.read("reports/metrics.json"))["holdout"]["clusters"] == 56


def test_a_commit_holds_no_data(project: BakedProject) -> None:
    """Git keeps hashes, metrics and plots; everything large is ignored."""
    project.run("git", "add", ".")
    project.run("git", "commit", "-qm", "first")
    tracked = project.run("git", "ls-files").stdout.split()
    assert not [name for name in tracked if name.startswith(("data/", "models/"))][2:]
    assert {"dvc.lock", "reports/metrics.json", "reports/system.json"} <= set(tracked)
    assert "reports/plots/calibration.csv" in tracked


def test_one_changed_number_runs_only_what_depends_on_it(project: BakedProject) -> None:
    """A training parameter trains; a confidence level does not; going back costs nothing."""
    original = project.read("params.yaml")
    project.write("params.yaml", original.replace("max_iter: 200", "max_iter: 50"))
    assert stages_run(project.make("repro").stdout) == ["train", "evaluate"]
    diff = project.run(".venv/bin/dvc", "metrics", "diff", "--json").stdout
    assert "roc_auc.value" in diff
    project.write("params.yaml", original.replace("confidence: 0.95", "confidence: 0.9"))
    back = project.make("repro").stdout
    assert stages_run(back) == ["evaluate"]
    assert "Stage 'train' is cached" in back
    project.write("params.yaml", original)
    project.make("repro")
    assert project.run("git", "status", "--porcelain", "dvc.lock").stdout == ""


def test_dvc_draws_the_plots(project: BakedProject) -> None:
    """`dvc plots` and the extension for VS Code find them in dvc.yaml."""
    page = project.run(".venv/bin/dvc", "plots", "show", "-q", "-o", "dvc_plots")
    assert page.returncode == 0
    drawn = project.read("dvc_plots/index.html")
    for name in ("calibration", "importance", "slices", "roc"):
        assert f"{name}.csv" in drawn


def test_a_bare_dvc_push_names_the_command_that_works(project: BakedProject) -> None:
    """DVC cannot reach a ref; what it prints says what can."""
    refused = project.run(".venv/bin/dvc", "push", check=False)
    assert refused.returncode != 0
    assert "make push" in refused.stderr


def test_push_clone_pull_trains_nothing(
    project: BakedProject, remote: Path, tmp_path: Path
) -> None:
    """A fresh clone with nothing but the remote has data and model, and nothing to run."""
    project.run("git", "remote", "add", "origin", str(remote))
    project.make("push")
    project.run("git", "push", "-q", "origin", "main")
    subprocess.run(["git", "clone", "-q", f"file://{remote}", tmp_path / "elsewhere"], check=True)
    clone = BakedProject(tmp_path / "elsewhere", project.environment)
    clone.make("setup")
    refused = clone.run(".venv/bin/dvc", "pull", check=False)
    assert refused.returncode != 0 and "make pull" in refused.stderr
    output = clone.make("setup", "pull", "repro").stdout
    assert stages_run(output) == []
    assert clone.run("git", "status", "--porcelain").stdout == ""
    model = (clone.path / "models/model.skops").read_bytes()
    assert model == (project.path / "models/model.skops").read_bytes()


def test_a_file_is_scored(project: BakedProject, tmp_path: Path) -> None:
    """`make predict` gives the held-out rows the scores that they were judged by, bit for bit."""
    held, output = project.path / "data/holdout", tmp_path / "scores.parquet"
    result = project.make("predict", INPUT=held, OUTPUT=output).stdout
    assert re.search(r"[45]\d,\d{3} rows scored", result)
    judged = pl.read_parquet(project.path / "data/predictions.parquet").select("key", "score")
    found = pl.read_parquet(output).rename({"flight_id": "key"})
    assert found.select("key", "score").equals(judged)


def test_a_run_is_recorded_once_even_when_two_try(project: BakedProject) -> None:
    """Two at once on a missing database both succeed, and MLflow holds one run of this lock."""
    project.make("track", env={"MLFLOW_TRACKING_URI": "sqlite:///other.db"})
    command = ["make", "track"]
    both = [
        subprocess.Popen(
            command,
            cwd=project.path,
            env=dict(project.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted("recorded already" in output for output in outputs) == [False, True]
    database = ("sqlite:///mlflow.db", "import mlflow; print(len(mlflow.search_runs(")
    script = f"{database[1]}search_all_experiments=True, output_format='list')))"
    env = {"MLFLOW_TRACKING_URI": database[0]}
    assert project.run(".venv-tracking/bin/python", "-c", script, env=env).stdout.split()[-1] == "1"


def test_help_lists_every_target(project: BakedProject) -> None:
    """One line each."""
    listed = [line.split()[0] for line in project.make("help").stdout.splitlines()]
    wanted = "setup format lint test check lock repro pull push report track ui predict clean"
    assert set(wanted.split()) <= set(listed)


def test_the_whole_year_needs_one_word_more(clone: BakedProject, project: BakedProject) -> None:
    """`UNTIL` moves the declared date on, and the pipeline follows."""
    clone.make("demo", UNTIL="2013-12-31")
    assert len(list((project.path / "data/raw").iterdir())) == 12
    assert yaml.safe_load(project.read("params.yaml"))["ingest"]["until"] == "2013-12-31"
    early = clone.make("demo", UNTIL="2013-03-10", check=False)
    assert early.returncode != 0
    assert "13 days are left to train on" in early.stderr + early.stdout
