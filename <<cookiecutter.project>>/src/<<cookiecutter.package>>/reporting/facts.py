"""What a report tells: read from the files that the pipeline left, and held against each other."""

import csv
import hashlib
import io
import json
import math
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ..errors import ProjectError
from ..params import Params
from ..text import NARROW, code, short
from . import comparison as comparisons
from .comparison import Comparison

MODEL = ("train", "outs", ".skops")
"""Stage, side and ending of the model's file in `dvc.lock`."""

Row = dict[str, Any]
Read = TypeVar("Read")


@dataclass(frozen=True)
class Facts:
    """All that a report tells."""

    root: Path
    params: Params
    metrics: dict[str, Any]
    data: dict[str, Any]
    system: dict[str, Any] | None
    plots: dict[str, list[Row]]
    lock: dict[str, Any]
    commit: str
    comparison: Comparison | None
    accepted: dict[str, Any] | None

    @property
    def headline(self) -> str:
        return self.params.task.metric

    @property
    def held(self) -> int:
        return int(self.metrics["holdout"]["rows"])

    @property
    def confidence(self) -> str:
        found = self.comparison.confidence if self.comparison else self.params.evaluate.confidence
        return f"{short(100 * found)}{NARROW}%{NARROW}interval"

    @property
    def clusters(self) -> str:
        count = self.metrics["holdout"]["clusters"]
        many = "" if count == 1 else "s"
        return f"{count:,} cluster{many} of {code(self.params.task.cluster or '')}"

    @property
    def inputs(self) -> dict[str, tuple[str, str]]:
        """Path and hash of what the figures rest on; empty where the lock has none."""
        return {
            "Model": find(self.lock, *MODEL),
            "Training data": find(self.lock, "split", "outs", "train"),
            "Held-out data": find(self.lock, "split", "outs", "holdout"),
            "Environment": find(self.lock, "train", "deps", ".lock"),
        }

    def measured(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each metric's name and figures, the headline first."""
        yield self.headline, self.metrics[self.headline]
        for name, found in self.metrics.items():
            if name not in ("holdout", "fairness", self.headline):
                yield name, found


def gather(
    params: Params,
    metrics: Path,
    data: Path,
    system: Path,
    plots: Path,
    lock: Path,
    comparison: Path | None,
    output: Path,
) -> Facts:
    """Read the files.

    Args:
        system: may be absent: a model that comes from the run cache was not measured here.
        plots: the folder of CSV files that `evaluate` writes.
        comparison: may be absent or None: then the report tells of one model alone.
        output: the report, which alone may differ from the commit.

    Raises:
        ProjectError: a file is missing or damaged, or the metrics are not those of the lock.
    """
    locked = read(lock, lambda text: keyed(yaml.safe_load(text)))
    model = find(locked, *MODEL)[1]
    facts = Facts(
        root=lock.resolve().parent,
        params=params,
        metrics=read(metrics, mapping),
        data=read(data, mapping),
        system=read(system, mapping) if system.exists() else None,
        plots={kind: read(plots / f"{kind}.csv", rows) for kind in kinds(params)},
        lock=locked,
        commit=commit(lock, output),
        comparison=comparisons.read(comparison, model) if comparison else None,
        accepted=acceptance(metrics.with_name("accepted.json"), model),
    )
    agree(facts, metrics, lock)
    return facts


def acceptance(path: Path, model: str) -> dict[str, Any] | None:
    """Who let this very model through although the gate blocked it, as `publish` committed it."""
    found = read(path, mapping) if path.exists() else {}
    return found if found.get("model") == model else None


def kinds(params: Params) -> list[str]:
    common = ["slices", "importance", "calibration"]
    return [*common, "residuals"] if params.task.kind == "regression" else common


def read(path: Path, parse: Callable[[str], Read]) -> Read:
    """One file's content.

    Raises:
        ProjectError: it is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return parse(file.read())
    except FileNotFoundError:
        raise ProjectError(f"{path} is missing: `make repro` makes it") from None
    except (ValueError, yaml.YAMLError, csv.Error):
        raise ProjectError(
            f"{path} is damaged: delete it, then `make repro` makes it anew"
        ) from None


def mapping(text: str) -> dict[str, Any]:
    return keyed(json.loads(text, parse_constant=lambda _: None))  # NaN and the infinities


def keyed(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not a mapping")
    return value


def rows(text: str) -> list[Row]:
    """The rows of a CSV file, numbers as numbers, None where a cell is empty."""
    return [
        {key: convert(key, cell) for key, cell in row.items()}
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]


def convert(column: str | None, cell: str | None) -> str | float | None:
    if column is None or cell is None:
        raise ValueError("a row has more or fewer cells than the heading")
    if column in ("slice", "group", "feature"):
        return cell
    found = float(cell or "nan")
    return found if math.isfinite(found) else None


def agree(facts: Facts, metrics: Path, lock: Path) -> None:
    """Refuse to tell of one model with another's figures.

    Raises:
        ProjectError: the metrics are not those of the lock, or lack the headline metric.
    """
    digest = hashlib.md5(metrics.read_bytes(), usedforsecurity=False).hexdigest()
    if find(facts.lock, "evaluate", "outs", metrics.name)[1] != digest:
        raise ProjectError(f"{metrics} is not what {lock} names: `make repro` brings them together")
    if facts.headline not in facts.metrics:
        raise ProjectError(
            f"{metrics} lacks {facts.headline!r}, which task.metric names: `make repro` measures it"
        )


def find(lock: dict[str, Any], stage: str, side: str, ending: str) -> tuple[str, str]:
    """Path and hash of the one file of a stage whose path ends so; empty where there is none."""
    entries = lock.get("stages", {}).get(stage, {}).get(side, [])
    found = [(e["path"], e.get("md5", "")) for e in entries if e["path"].endswith(ending)]
    return found[0] if found else ("", "")


def commit(lock: Path, output: Path) -> str:
    """The project's commit, and whether files differ from it; the report itself may."""
    folder = lock.resolve().parent
    head = git(folder, "rev-parse", "--short=7", "--verify", "HEAD")
    # A project that is not in git yet may lie inside another repository.
    if not head or not git(folder, "ls-files", "--", "params.yaml"):
        return "not committed yet"
    others = ["."]
    if output.resolve().is_relative_to(folder):
        others.append(f":(exclude,literal){output.resolve().relative_to(folder)}")
    changed = git(folder, "status", "--porcelain", "--untracked-files=no", "--", *others)
    same = not changed and git(folder, "ls-files", "--", lock.name)
    return f"`{head}`" if same else f"`{head}` with uncommitted changes"


def git(folder: Path, *arguments: str) -> str:
    """What git answers; nothing where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
