"""A model that takes part in a comparison: the working tree's, or a commit's."""

import csv
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .lock import LOCK, SYSTEM, asks, at, dependency, digest, show

MODEL, PREDICTIONS = "models/model.skops", "data/predictions.parquet"
HOLDOUT, TRAIN = "data/holdout", "data/train"
METRICS = "reports/metrics.json"


@dataclass
class Side:
    """A model in the comparison: the working tree's where `commit` is None, else a commit's."""

    name: str
    commit: str | None
    root: Path
    files: dict[str, bytes] = field(default_factory=dict)
    scored: str = "own"
    why: str = ""

    def __post_init__(self) -> None:
        self.files = at(self.root, self.commit)

    @property
    def trained(self) -> bool:
        return bool(LOCK in self.files and digest(self.files[LOCK], MODEL))

    def digest(self, path: str) -> str:
        return digest(self.files[LOCK], path)

    def read(self, path: str) -> bytes:
        """A generated file that git keeps; empty where it is not there."""
        if self.commit:
            return show(self.root, self.commit, path) or b""
        return (self.root / path).read_bytes() if (self.root / path).exists() else b""

    def json(self, path: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self.read(path) or b"{}"))
        except ValueError:
            return {}

    def calibration(self) -> list[dict[str, float]]:
        """The bins of its calibration, by the rows that it was judged on."""
        try:
            lines = csv.DictReader(self.read("reports/plots/calibration.csv").decode().splitlines())
            return [{name: float(cell) for name, cell in line.items()} for line in lines]
        except (ValueError, TypeError):
            return []

    def params(self) -> dict[str, Any]:
        with suppress(yaml.YAMLError):
            found = yaml.safe_load(self.files.get("params.yaml", b"")) or {}
            return found if isinstance(found, dict) else {}
        return {}

    def facts(self) -> dict[str, Any]:
        """What the report says of it."""
        head = self.commit or asks(self.root, "rev-parse", "HEAD")
        return {
            "commit": head,
            "name": self.name,
            "model": self.digest(MODEL),
            "train": self.digest(TRAIN),
            "holdout": self.digest(HOLDOUT),
            "environment": dependency(self.files[LOCK], "train", ".lock"),
            "scored": self.scored,
            "why": self.why,
            "system": self.json(SYSTEM),
            "data": self.json("reports/data.json"),
            "calibration": self.calibration() if self.scored == "own" else [],
        }
