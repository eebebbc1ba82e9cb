"""`make track`, `make ui` and track.yml, executed against a real MLflow server on loopback."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import md5, sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

from baking import BakedProject, Oven
from options import questions
from pythons import pythons
from rig import GitHub, Run
from tracking import Between, Server, free_port, mlflow_server, named, running, serving, wait_for

pytestmark = pytest.mark.slow
SECRET = "a-long-secret-token"
UNREACHABLE = "http://127.0.0.1:9"


# What the tests stand on


@pytest.fixture(scope="module")
def project(oven: Oven, tmp_path_factory: pytest.TempPathFactory, hub: GitHub) -> BakedProject:
    """A project with a small model, pushed with its objects."""
    wanted = questions()["python_version"][0]
    version = wanted if wanted in pythons() else max(pythons())
    baked = oven.bake(tmp_path_factory.mktemp("tracking"), {"python_version": version})
    path = f"{pythons()[version].parent}{os.pathsep}{baked.environment['PATH']}"
    baked = replace(baked, environment={**hub.environment, "PATH": path})
    baked.make("setup", ".venv-tracking/.synced")
    baked.run("git", "remote", "add", "origin", hub.url(hub.person("alice")))
    train(baked, max_iter=20)
    return baked


def train(project: BakedProject, max_iter: int) -> None:
    """One change, as a person makes it: train, commit, push the objects, push the commit."""
    params = re.sub(r"max_iter: \d+", f"max_iter: {max_iter}", project.read("params.yaml"))
    project.write("params.yaml", params)
    project.make("repro")
    project.run("git", "add", ".")
    project.run("git", "commit", "-qm", f"{max_iter} iterations")
    project.make("push")
    project.run("git", "push", "-q", "origin", "main")


@pytest.fixture(scope="module")
def mlflow(project: BakedProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mlflow")
    with mlflow_server(project, folder, f"sqlite:///{folder}/mlflow.db") as server:
        yield server


@pytest.fixture
def server(mlflow: Server) -> Iterator[Server]:
    """The server, on which nothing is recorded yet."""
    mlflow.forget()
    yield mlflow


def pushed(hub: GitHub) -> Run:
    """The run for the last push to main, without a server."""
    hub.variables.clear()
    hub.run()
    return next(run for run in reversed(hub.runs) if run.file.file == "track.yml")


def track(hub: GitHub, server: Server) -> Run:
    """The push again where a server is set; so is a secret, for which this one does not ask."""
    push = pushed(hub)
    hub.variables["MLFLOW_TRACKING_URI"] = server.address
    hub.secrets["MLFLOW_TRACKING_TOKEN"] = SECRET
    hub.rerun(push)
    (run,) = hub.run()
    return run


def make_track(project: BakedProject, address: str) -> subprocess.CompletedProcess[str]:
    return project.make("track", check=False, env={"MLFLOW_TRACKING_URI": address})


def sentence(refused: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failure prints before make's own."""
    assert refused.returncode != 0
    (said, make) = refused.stderr.splitlines()
    assert said.startswith("track: ") and make.startswith("make: ***")
    return said


# The workflow


@dataclass(frozen=True)
class Recorded:
    """The workflow, run twice on one commit, and what the server held after each."""

    commit: str
    results: list[Run]
    runs: list[dict[str, Any]]


@pytest.fixture(scope="module")
def recorded(project: BakedProject, hub: GitHub, mlflow: Server) -> Recorded:
    seen = Recorded(project.run("git", "rev-parse", "HEAD").stdout.strip(), [], [])
    mlflow.forget()
    for _ in range(2):
        seen.results.append(track(hub, mlflow))
        assert seen.results[-1].jobs == {"track": "success"}, seen.results[-1].log
        seen.runs.append(mlflow.run())
    return seen


def test_without_a_server_the_job_is_skipped(project: BakedProject, hub: GitHub) -> None:
    """A team that has no MLflow sees a grey job, never a red one."""
    run = pushed(hub)
    assert (run.jobs, run.conclusion) == ({"track": "skipped"}, "skipped")


def test_each_permission_is_used(recorded: Recorded, hub: GitHub) -> None:
    """What no request needs is not granted."""
    assert hub.unused_permissions() == set()


def test_a_push_to_main_records_and_trains_nothing(recorded: Recorded) -> None:
    """Checkout, set-up, objects from the store, record: all green."""
    outcomes, log = recorded.results[0].outcomes("track"), recorded.results[0].log
    assert set(outcomes.values()) == {"success"}
    assert [step for step in outcomes if "make" in step] == ["make pull", "make track"]
    assert f"recorded as run {recorded.runs[0]['info']['run_id']}" in log
    assert "Running stage" not in log
    assert SECRET not in log


def test_a_second_run_records_nothing_new(recorded: Recorded) -> None:
    """Run again on the same commit, it is green and says which run is there."""
    name = recorded.runs[0]["info"]["run_id"]
    assert f"recorded already, as run {name}" in recorded.results[1].log
    assert recorded.runs[1] == recorded.runs[0]


def test_the_job_has_the_projects_python_and_a_cache_of_its_locks(
    project: BakedProject, recorded: Recorded
) -> None:
    """The version comes from the Makefile; the key of the cache from the content of the locks."""
    log = recorded.results[0].log
    version = project.make("python-version").stdout.strip().partition("=")[2]
    assert f"setup-python: {version}" in log
    assert "is not on the PATH" not in log
    assert re.search(r"cache: uv-\w+-[0-9a-f]{64}", log)


# What a run holds


def test_a_run_holds_all_that_the_lock_names(
    project: BakedProject, mlflow: Server, recorded: Recorded
) -> None:
    """Metrics, parameters, data sets, code, system figures, and the very model of the store."""
    run = recorded.runs[0]
    lock = (project.path / "dvc.lock").read_bytes()
    outs = {o["path"]: o["md5"] for s in yaml.safe_load(lock)["stages"].values() for o in s["outs"]}
    model = (project.path / "models/model.skops").read_bytes()
    metrics, tags = named(run["data"]["metrics"]), named(run["data"]["tags"])
    auc = json.loads(project.read("reports/metrics.json"))["roc_auc"]["value"]
    assert metrics["roc_auc.value"] == pytest.approx(auc)
    assert {"system.fit_seconds", "system.peak_memory_bytes", "system.model_bytes"} <= set(metrics)
    assert named(run["data"]["params"])["train.arguments.max_iter"] == "20"
    assert tags["mlflow.source.git.commit"] == recorded.commit
    assert tags["dvc_lock"] == sha256(lock).hexdigest()
    assert tags["model_md5"] == outs["models/model.skops"] == md5(model).hexdigest()
    data = {i["dataset"]["name"]: i["dataset"]["digest"] for i in run["inputs"]["dataset_inputs"]}
    assert data == {name: outs[name][:32] for name in ("data/train", "data/holdout")}
    assert mlflow.artifact(run, "model/model.skops") == model


def test_another_model_is_another_run(project: BakedProject, server: Server) -> None:
    """And going back to the first one is none."""
    assert make_track(project, server.address).returncode == 0
    train(project, max_iter=30)
    assert make_track(project, server.address).returncode == 0
    train(project, max_iter=20)
    assert "recorded already" in make_track(project, server.address).stdout
    found = [named(run["data"]["params"])["train.arguments.max_iter"] for run in server.runs()]
    assert found == ["30", "20"]


# More than one, and less than one


def test_two_at_once_leave_one_run(project: BakedProject, server: Server, tmp_path: Path) -> None:
    """On two machines, say: both are green, and both name the run that stays."""
    env = {"MLFLOW_TRACKING_URI": server.address}
    logs = [tmp_path / "one", tmp_path / "two"]
    with (
        running(project, "make", "track", env=env, log=logs[0]) as one,
        running(project, "make", "track", env=env, log=logs[1]) as two,
    ):
        codes = [process.wait(timeout=300) for process in (one, two)]
    said = [log.read_text() for log in logs]
    assert codes == [0, 0], said
    stays = server.run()["info"]["run_id"]
    assert all(stays in output for output in said), said


class Refusing(Between):
    """The server, but for the first data sets that reach it: as if another run wrote them too."""

    refused = 0

    def refuses(self) -> bytes | None:
        if "log-inputs" not in self.path or type(self).refused:
            return None
        type(self).refused += 1
        return b'{"error_code": "BAD_REQUEST", "message": "UNIQUE constraint failed"}'


def test_a_refusal_that_another_run_caused_is_tried_again(
    project: BakedProject, server: Server
) -> None:
    """Two that write the same data sets at the same moment: a database takes one of them."""

    class Once(Refusing):
        server_address = server.address

    with serving(Once) as address:
        assert make_track(project, address).returncode == 0
    assert Once.refused == 1
    assert len(server.run()["inputs"]["dataset_inputs"]) == 2


def test_a_run_that_was_killed_is_replaced(
    project: BakedProject, server: Server, tmp_path: Path
) -> None:
    """Killed between its first request and its last; the next one records, and clears it away."""
    env, log = {"MLFLOW_TRACKING_URI": server.address}, tmp_path / "log"
    with running(project, "make", "track", env=env, log=log) as process:
        while not server.runs():
            assert process.poll() is None, log.read_text()
    (half,) = server.runs()
    assert half["info"]["status"] == "RUNNING"
    assert make_track(project, server.address).returncode == 0
    assert server.run()["info"]["run_id"] != half["info"]["run_id"]


# Without a server that works


class Broken(BaseHTTPRequestHandler):
    """A server that answers every request with an error."""

    def do_GET(self) -> None:
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def broken() -> Iterator[str]:
    with serving(Broken) as address:
        yield address


def test_a_server_that_is_not_there_is_one_sentence_soon(project: BakedProject) -> None:
    """MLflow alone would try for minutes, and then print sixty lines."""
    begin = time.monotonic()
    said = sentence(make_track(project, UNREACHABLE))
    assert time.monotonic() - begin < 60
    assert UNREACHABLE in said and "Connection refused" in said and "MLFLOW_TRACKING_URI" in said


def test_a_server_that_fails_makes_the_job_red(
    project: BakedProject, hub: GitHub, broken: str
) -> None:
    """It may be restarting: after a few attempts one sentence, and never a green job."""
    result = track(hub, Server(broken))
    assert result.jobs == {"track": "failure"}
    assert result.outcomes("track")["make pull"] == "success"
    assert result.outcomes("track")["make track"] == "failure"
    said = next(line for line in result.log.splitlines() if "did not record the run" in line)
    assert "too many 500 error responses" in said
    assert "Traceback" not in result.log


# `make ui`


def test_ui_opens_mlflow_on_the_database(project: BakedProject, tmp_path: Path) -> None:
    """The page is there, and so is the run, which `make track` put into the same file."""
    database, log = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/new/mlflow.db"}, tmp_path / "log"
    project.make("track", env=database)
    port = free_port()
    with running(project, "make", "ui", env=database | {"MLFLOW_PORT": str(port)}, log=log) as ui:
        assert b"MLflow" in wait_for(f"http://127.0.0.1:{port}/", ui, log)
        assert Server(f"http://127.0.0.1:{port}").run()


def test_ui_names_the_server(project: BakedProject) -> None:
    """Where the runs are on a server, there is nothing to start."""
    said = project.make("ui", env={"MLFLOW_TRACKING_URI": UNREACHABLE}).stdout
    assert said == f"ui: the runs are at {UNREACHABLE}\n"
