"""Train the model, and beside it the two that it has to beat: a linear one and a constant one."""

import hashlib
import json
import platform
import resource
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from . import model as model_file
from .errors import ProjectError
from .metrics import LOWER_IS_BETTER, Values, named
from .params import Params, Task

CALLS = 20
"""Single rows scored to measure the latency of one prediction."""


def run(
    params: Params,
    train: Path,
    holdout: Path,
    model: Path,
    scores: Path,
    importance: Path,
    system: Path,
) -> None:
    """Fit on the rows of `train`; score the rows of `holdout` with the model as it is in the file.

    Args:
        model: the skops file.
        scores: Parquet with the columns key, score, linear, dummy; one row a held-out row.
        importance: Parquet with the columns feature, loss, spread.
        system: JSON with what differs between equal runs: seconds, bytes, latency, GPU.

    Raises:
        ProjectError: the estimator cannot be built, trained or trusted, or there is no GPU.
    """
    started = time.perf_counter()
    task, options = params.task, params.train
    gpu = Gpu(wanted=uses_gpu(options.arguments))
    table = read(train, [task.target, *task.features])
    truth = target(table, task)
    estimator = model_file.create(
        options.estimator, options.arguments, task, options.encoding, options.seed
    )
    print(f"train: {options.estimator.rpartition('.')[2]} on {table.height:,} rows", flush=True)
    with gpu:
        fitting = time.perf_counter()
        pipeline = fit(model_file.build(task, options.encoding, estimator), table, truth, task)
        fitting = time.perf_counter() - fitting
    for path in (model, scores, importance, system):
        path.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(model_file.dump(pipeline))
    pipeline = model_file.load(model)

    held = read(holdout, [task.key, task.target, *task.features])
    begun = time.perf_counter()
    columns = {task.key: held[task.key], "score": model_file.score(pipeline, held, task)}
    speed = held.height / (time.perf_counter() - begun)
    for name, simple in baselines(task).items():
        columns[name] = model_file.score(fit(simple, table, truth, task), held, task)
    pl.DataFrame(columns).rename({task.key: "key"}).write_parquet(scores)
    shuffle(pipeline, held, params).write_parquet(importance)
    figures = {
        "model": hashlib.md5(model.read_bytes(), usedforsecurity=False).hexdigest(),
        "fit_seconds": round(fitting, 3),
        "train_seconds": round(time.perf_counter() - started, 3),
        "peak_memory_bytes": peak_memory(),
        "model_bytes": model.stat().st_size,
        **latency(pipeline, held, task),
        "batch_rows_per_second": round(speed),
        "gpu": gpu.figures(),
        "python": platform.python_version(),
    }
    system.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def read(folder: Path, columns: list[str]) -> pl.DataFrame:
    return pl.read_parquet(sorted(folder.glob("*.parquet")), columns=list(dict.fromkeys(columns)))


def target(table: pl.DataFrame, task: Task) -> Values:
    """Shape (rows,): the index of a class (of a binary task 0 or 1), or a regression's value.

    Raises:
        ProjectError: the classes are not 0, 1 and so on without a gap: two of a binary task, more
            of a multiclass one.
    """
    truth = table[task.target].cast(pl.Float64).to_numpy()
    if task.kind == "regression":
        return truth
    found = sorted(set(truth.tolist()))
    count = 2 if task.kind == "binary" else max(len(found), 3)
    if found != list(range(count)):
        shown = ", ".join(f"{value:g}" for value in found[:5])
        wanted = "both 0 and 1" if task.kind == "binary" else "0, 1, 2 and so on without a gap"
        raise ProjectError(
            f"the target {task.target!r} has the values {shown} in the rows to train on, and a "
            f"{task.kind} task needs {wanted}, and nothing else: mend ingest.py or set task.kind"
        )
    return truth


def fit(pipeline: Pipeline, table: pl.DataFrame, truth: Values, task: Task) -> Pipeline:
    """Fit on one thread of linear algebra: more would change the last bits of a result.

    Raises:
        ProjectError: the estimator refuses the arguments or the data.
    """
    try:
        with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            return pipeline.fit(model_file.features(table, task), truth)
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        if lacking := empty(table, task):
            reason = (
                f"{lacking!r} has no value in the {table.height:,} rows to train on: take it out"
            )
        raise ProjectError(
            f"{type(pipeline[-1]).__name__} cannot be trained: {reason} "
            "(see train.estimator, train.arguments and train.encoding in params.yaml)"
        ) from error


def empty(table: pl.DataFrame, task: Task) -> str | None:
    """A number of which no row has a value, which some estimators refuse in words of their own."""
    frame = model_file.features(table, task).select(task.numeric)
    return next((one.name for one in frame if not one.drop_nulls().drop_nans().len()), None)


def baselines(task: Task) -> dict[str, Pipeline]:
    """What a model must beat to be worth its complexity."""
    values = task.kind == "regression"
    linear: Any = Ridge() if values else LogisticRegression(max_iter=1000, tol=1e-3)
    dummy: Any = DummyRegressor() if values else DummyClassifier(strategy="prior")
    return {
        "linear": model_file.build(task, "onehot", linear),
        "dummy": Pipeline([("model", dummy)]),
    }


def shuffle(pipeline: Pipeline, held: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Permutation importance (Breiman 2001): how much worse the headline metric gets when one
    feature is shuffled; columns feature, loss (mean over the repeats), spread (their deviation).
    """
    task, options = params.task, params.train
    rng = np.random.default_rng(options.seed)
    rows = np.sort(rng.permutation(held.height)[: options.importance_rows])
    sample = held[rows]
    truth = sample[task.target].cast(pl.Float64).to_numpy()
    metric = named(task.kind, task.threshold)[task.metric]
    repeats = range(options.importance_repeats)
    worse = 1 if task.metric in LOWER_IS_BETTER else -1
    whole = metric(truth, model_file.score(pipeline, sample, task)).value
    found = []
    for feature in task.features:
        shuffled = [sample[feature][rng.permutation(sample.height)] for _ in repeats]
        mixed = pl.concat(sample.with_columns(column) for column in shuffled)
        scores = np.split(model_file.score(pipeline, mixed, task), len(repeats))
        losses = [worse * (metric(truth, part).value - whole) for part in scores]
        found.append((feature, float(np.mean(losses)), float(np.std(losses))))
    return pl.DataFrame(found, schema=["feature", "loss", "spread"], orient="row")


def peak_memory() -> int:
    """The most memory that this process has held, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def latency(pipeline: Pipeline, held: pl.DataFrame, task: Task) -> dict[str, float]:
    """Milliseconds of one prediction: the median, and what 19 of 20 stay under."""
    rows = [held[i % held.height] for i in range(CALLS)]
    calls = sorted(seconds(pipeline, row, task) for row in rows)
    return {
        "latency_median_ms": round(1000 * calls[CALLS // 2], 3),
        "latency_p95_ms": round(1000 * calls[CALLS * 95 // 100], 3),
    }


def seconds(pipeline: Pipeline, rows: pl.DataFrame, task: Task) -> float:
    begun = time.perf_counter()
    model_file.score(pipeline, rows, task)
    return time.perf_counter() - begun


def uses_gpu(arguments: dict[str, Any]) -> bool:
    """Whether the estimator is asked for a GPU, as xgboost is by `device: cuda`."""
    return str(arguments.get("device", "")).startswith(("cuda", "gpu"))


class Gpu:
    """The GPU of this machine, watched while a model is fitted.

    Raises:
        ProjectError: one is wanted and there is none. xgboost itself would train on the CPU.
    """

    query = ("nvidia-smi", "--query-gpu=name,utilization.gpu,memory.used", "--format=csv,noheader")

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.samples: list[list[str]] = []
        self.done = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        if wanted and not self.look():
            raise ProjectError(
                "train.arguments.device asks for a GPU and nvidia-smi finds none: train on a "
                "runner that has one (the variable TRAIN_RUNNER), or set device: cpu"
            )

    def look(self) -> bool:
        """Note what the first GPU does now; False where there is none."""
        try:
            found = subprocess.run(
                self.query, capture_output=True, text=True, check=True, timeout=20
            )
        except (OSError, subprocess.SubprocessError):
            return False
        self.samples += [line.split(", ") for line in found.stdout.splitlines()[:1]]
        return bool(self.samples)

    def watch(self) -> None:
        while not self.done.wait(0.5):
            self.look()

    def __enter__(self) -> "Gpu":
        if self.wanted:
            self.watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        if self.wanted:
            self.look()
            self.watcher.join()

    def figures(self) -> dict[str, Any] | None:
        """Its name, mean utilisation in percent and peak memory in MiB; None where unused."""
        if not self.wanted:
            return None
        used, memory = ([int(s[i].split()[0]) for s in self.samples] for i in (1, 2))
        return {
            "name": self.samples[0][0],
            "utilization_percent": round(sum(used) / len(used), 1),
            "peak_memory_mib": max(memory),
        }
