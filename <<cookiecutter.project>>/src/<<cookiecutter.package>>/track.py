"""Record what `dvc.lock` names as one MLflow run, once.

MLflow is a projection of git: stages write files and never wait for it, and any commit can be
recorded later. Unlike them this module runs in MLflow's own environment.
"""

import fcntl
import hashlib
import json
import logging
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import yaml
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException

from . import model as model_file
from .errors import ProjectError
from .params import Params, flat, read

PATIENCE = 5
"""Seconds for another `make track` of the same lock to finish, before its run counts as left."""


@dataclass(frozen=True)
class Source:
    """What a run is made from: files of the working tree, or of a commit laid out elsewhere."""

    root: Path
    commit: str
    environment: Path
    metrics: Path
    data: Path
    system: Path
    model: Path
    lock: Path

    def at(self, path: Path) -> Path:
        """Where one of these files is."""
        return self.root / path

    def check(self) -> None:
        """Refuse to record what is incomplete, or a model that is not the lock's.

        Raises:
            ProjectError: a file is missing, or the model is another.
        """
        for file in (self.environment, self.metrics, self.model, self.lock):
            if not self.at(file).exists():
                raise ProjectError(f"{file} is missing: `make pull` or `make repro` first")
        content = self.at(self.model).read_bytes()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if digest != outputs(self.at(self.lock)).get(str(self.model)):
            raise ProjectError(
                f"{self.model} is not the model that {self.lock} names: `make pull` or `make repro`"
            )


def run(params: Params, metrics: Path, data: Path, system: Path, model: Path, lock: Path) -> None:
    """Record the run, unless a finished run of the same `dvc.lock` is there.

    Raises:
        ProjectError: a file is missing, the model is not the lock's, or the server does not answer.
    """
    environment = Path("requirements") / f"{params.train.environment}.lock"
    source = Source(Path(), commit(), environment, metrics, data, system, model, lock)
    source.check()
    with reached("record the run", "make track"):
        print(f"track: {record(source)[1]}; `make ui` shows it")


@contextmanager
def reached(what: str, command: str) -> Iterator[None]:
    """MLflow, for one process at a time where it is a file.

    Raises:
        ProjectError: it does not answer, or refuses: one sentence says that it did not do `what`.
    """
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it reports each table that it makes
    uri = os.environ["MLFLOW_TRACKING_URI"]
    try:
        with alone(uri):
            yield
    except (MlflowException, RequestException) as error:
        raise ProjectError(
            f"MLflow at {uri} did not {what}: "
            f"{cause(error)}; check MLFLOW_TRACKING_URI and the server, then `{command}` again"
        ) from error


def record(source: Source) -> tuple[str, str]:
    """Write the run of a lock, if there is none: its id, and a sentence that names it."""
    client = mlflow.MlflowClient()
    experiment = mlflow.set_experiment(__package__).experiment_id
    identity = hashlib.sha256(source.at(source.lock).read_bytes()).hexdigest()
    if known := settled(client, experiment, identity):
        return known, f"this dvc.lock is recorded already, as run {known} of {__package__}"
    tags = {
        "mlflow.runName": identity[:8],
        "mlflow.source.name": __package__,
        "mlflow.source.git.commit": source.commit,
        "dvc_lock": identity,
        "model_md5": outputs(source.at(source.lock))[str(source.model)],
    }
    run_id = client.create_run(experiment, tags=tags).info.run_id
    for last in (False, True):
        try:
            fill(client, run_id, source)
            break
        except ProjectError:
            client.delete_run(run_id)  # its model is refused, so no later run would clear it away
            raise
        except MlflowException:
            if known := settled(client, experiment, identity, run_id):
                return known, f"this dvc.lock was meanwhile recorded as run {known}"
            if last:
                raise
            # Two that write the same data set at once: the server refuses one, and only once.
    first = settled(client, experiment, identity, run_id) or run_id
    return first, f"recorded as run {first} of {__package__}"


def fill(client: Any, run_id: str, source: Source) -> None:
    """Write all that the run holds; it counts only once it is finished."""
    figures = flat(load(source.at(source.metrics)))
    figures |= flat(load(source.at(source.data)), "data.")
    figures |= flat(load(source.at(source.system)), "system.")
    params = flat(read(source.at(Path("params.yaml"))))
    client.log_batch(
        run_id,
        [Metric(name, value, 0, 0) for name, value in figures.items() if number(value)],
        [Param(name, str(value)) for name, value in params.items()],
        [RunTag(name, str(value)) for name, value in figures.items() if isinstance(value, str)],
    )
    client.log_inputs(run_id, datasets(outputs(source.at(source.lock))))
    with tempfile.TemporaryDirectory() as folder:
        bundle(source, Path(folder) / "model")
        client.log_artifacts(run_id, folder)
    client.set_terminated(run_id)


def settled(client: Any, experiment: str, identity: str, own: str | None = None) -> str | None:
    """The finished run of this lock, the first if two were written at once.

    Once there is one, those that were left half-written go, and our own if it is not the first.
    """
    for wait in range(PATIENCE, -1, -1):
        found = client.search_runs([experiment], f"tags.dvc_lock = '{identity}'")
        runs = sorted((run.info for run in found), key=lambda info: (info.start_time, info.run_id))
        first = next((info.run_id for info in runs if info.status == "FINISHED"), None)
        unfinished = {info.run_id for info in runs if info.status != "FINISHED"}
        if not (first and unfinished - {own} and wait):
            break
        time.sleep(1)
    if first:
        superfluous = unfinished | {info.run_id for info in runs if info.run_id == own != first}
        for run_id in superfluous:
            client.delete_run(run_id)
    return first


def cause(error: BaseException) -> str:
    """What went wrong underneath, in one line; each layer above repeats it with more noise."""
    while error.__context__:
        error = error.__context__
    return " ".join(str(error).split())[:300]


def bundle(source: Source, folder: Path) -> None:
    """Our model file in MLflow's format: the bytes inside are those of the store."""
    model = source.at(source.model)
    try:
        loaded = model_file.load(model)
    except (ImportError, AttributeError) as error:
        raise ProjectError(
            f"{source.model} needs a library that MLflow's environment has not ({error}): add it "
            "to the group tracking of pyproject.toml, then `make lock`"
        ) from None
    lines = source.at(source.environment).read_text().splitlines()
    mlflow.sklearn.save_model(
        loaded,
        folder,
        serialization_format="skops",
        skops_trusted_types=model_file.TRUSTED,
        pip_requirements=[line.split()[0] for line in lines if "==" in line],
    )
    (written,) = folder.glob("*.skops")
    written.write_bytes(model.read_bytes())


def datasets(found: dict[str, str]) -> list[DatasetInput]:
    """What was trained on and what was held out, by the hashes of the store."""
    roles = {"data/train": "training", "data/holdout": "holdout"}
    return [
        DatasetInput(
            Dataset(name=path, digest=md5[:32], source_type="dvc", source=path),
            [InputTag("mlflow.data.context", roles[path])],
        )
        for path, md5 in found.items()
        if path in roles
    ]


def outputs(lock: Path) -> dict[str, str]:
    """Path and MD5 of everything that the pipeline made, as `dvc.lock` names it."""
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"].values()
    return {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() if found.returncode == 0 else "not committed"


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """One process at a time on a database file: two that both create it break each other."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{database}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
