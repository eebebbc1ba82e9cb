"""Whether a committed `dvc.lock` holds together, as far as that shows without training.

A lock that somebody wrote or edited by hand is no result: what is cheap is made again and compared.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from .. import evaluate, model, split, validate
from ..errors import ProjectError
from ..params import Params
from ..storage.store import pull
from . import production, stale
from .lock import LOCK, asks, baseline, shipping
from .side import Side

MEND = "run `make repro push` and commit what changed"
TOLERANCE = 1e-9
"""Relative; another machine may differ in the last bits of a score."""


def run(params: Params, root: Path) -> None:
    """Make contract, split, scores and metrics again from what the lock names.

    With REPRODUCE=true in the environment all stages run again, and dvc.lock has to come out the
    same byte for byte.

    Raises:
        ProjectError: something is not what the commit gives.
    """
    ships = shipping()
    if ships and production.returning(root.resolve(), Side("this commit", None, root)):
        print("verify: this model was in production before, and was verified then")
        return
    if not ships and unchanged(root):
        print("verify: dvc.lock and what it names are those of the base branch")
        return
    if why := stale.find(root):
        raise ProjectError(f"dvc.lock does not tell of this commit ({why}): {mend(ships)}")
    pull(root, params.store.remote, params.store.ref)
    if os.environ.get("REPRODUCE") == "true":
        reproduce(root)
    data, reports = root / "data", root / "reports"
    with tempfile.TemporaryDirectory(prefix="verify-") as name:
        made = Path(name)
        broken = reports / "violations.md"
        validate.run(params, data / "raw", made / "valid", made / "data.json", broken)
        same_files(made / "valid", data / "valid", "the contract")
        split.run(params, made / "valid", made / "train", made / "holdout")
        same_files(made / "train", data / "train", "the split")
        same_files(made / "holdout", data / "holdout", "the split")
        same_scores(params, root / "models/model.skops", data)
        evaluate.run(
            params,
            data / "holdout",
            data / "scores.parquet",
            data / "importance.parquet",
            made / "predictions.parquet",
            made / "metrics.json",
            made / "plots",
        )
        same_rows(made / "predictions.parquet", data / "predictions.parquet")
        for path in ("metrics.json", "plots/slices.csv"):
            same_bytes(made / path, reports / path, "the predictions")
    print("verify: dvc.lock holds together: contract, split, scores and metrics come out the same")


def mend(ships: bool) -> str:
    """What to do about a stale lock."""
    if ships:
        return "nothing is trained on the way to release; train it on main, then promote that"
    return MEND


def reproduce(root: Path) -> None:
    """Run every stage, whatever DVC knows of earlier runs.

    Raises:
        ProjectError: a stage fails, or another dvc.lock comes out.
    """
    before = (root / LOCK).read_bytes()
    line = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache"]
    if subprocess.run(line, cwd=root, check=False).returncode:
        raise ProjectError("the pipeline that dvc.lock tells of does not run: `make repro`")
    if (root / LOCK).read_bytes() != before:
        raise ProjectError(f"run again, the pipeline gives another dvc.lock: {MEND}")
    print("verify: run again, the pipeline gives the same dvc.lock")


def unchanged(root: Path) -> bool:
    """Whether the base branch has the same lock and the same generated files."""
    _, base = baseline(root, "")
    same = asks(root, "diff", "--quiet", base, "--", LOCK, "reports")
    return same is not None and base != asks(root, "rev-parse", "HEAD")


def same_files(made: Path, kept: Path, source: str) -> None:
    names = {file.name for folder in (made, kept) for file in folder.glob("*.parquet")}
    for name in sorted(names):
        same_bytes(made / name, kept / name, source)


def same_bytes(made: Path, kept: Path, source: str) -> None:
    contents = [path.read_bytes() if path.exists() else None for path in (made, kept)]
    if contents[0] != contents[1]:
        place = "/".join(kept.parts[-2:])
        raise ProjectError(f"{place!r} is not what {source} of this commit gives: {MEND}")


def same_scores(params: Params, file: Path, data: Path) -> None:
    """Ask the model for the held-out rows.

    Raises:
        ProjectError: it cannot be loaded under the allow-list, or gives other scores.
    """
    held = pl.read_parquet(sorted((data / "holdout").glob("*.parquet")))
    given = pl.read_parquet(data / "scores.parquet", columns=["key", "score"])
    asked = model.score(model.load(file), held, params.task)
    same_keys = given["key"].equals(held[params.task.key].rename("key"))
    if not same_keys or not np.allclose(given["score"], asked, rtol=TOLERANCE, atol=0):
        raise ProjectError(
            f"the scores in dvc.lock are not those that its model gives the held-out rows: {MEND}"
        )


def same_rows(made: Path, kept: Path) -> None:
    if not pl.read_parquet(made).equals(pl.read_parquet(kept)):
        raise ProjectError(
            f"'data/predictions.parquet' is not what the scores and the held-out rows give: {MEND}"
        )
