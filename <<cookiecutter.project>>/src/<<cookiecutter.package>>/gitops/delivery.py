"""What the newest commit of `release` puts into production: pulled, checked, asked, described."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl

from .. import model
from ..errors import ProjectError
from ..params import Params
from ..text import code, prose, table
from . import supply
from .history import Release, releases, rollback_of
from .lock import asks, at
from .side import HOLDOUT, MODEL, TRAIN

NOTES = "notes.md"
ROWS = 16
"""Held-out rows that the model is asked for before it is let into production."""


def run(params: Params, root: Path, card: Path, folder: Path) -> Release | None:
    """Leave the model and the release's notes in `folder`; None where there is no model yet.

    Args:
        card: what `make card` wrote for this commit.

    Raises:
        ProjectError: the store lacks the model, it is not the lock's, it does not load under the
            allow-list, or its answer is no number.
    """
    root = root.resolve()
    known = releases("HEAD", root)
    if not known or known[-1].commit != asks(root, "rev-parse", "HEAD"):
        print("delivery: this commit names no model, so nothing goes into production")
        return None
    shutil.rmtree(folder, ignore_errors=True)
    supply.obtain(root, at(root, "HEAD"), [MODEL, HOLDOUT], params.store, folder / "store")
    file = folder / Path(MODEL).name
    (folder / "store" / MODEL).rename(file)
    ask(params, known[-1], file, folder / "store" / HOLDOUT)
    shutil.rmtree(folder / "store")
    text = card.read_text(encoding="utf-8")
    (folder / NOTES).write_text(f"{notes(known)}\n\n{text}", encoding="utf-8")
    print(f"delivery: v{known[-1].number} is whole, loads and answers")
    return known[-1]


def ask(params: Params, release: Release, file: Path, holdout: Path) -> None:
    """Hold the file against the lock, load it, and let it score some rows.

    Raises:
        ProjectError: as `run`.
    """
    rows = pl.read_parquet(sorted(holdout.glob("*.parquet"))[0], n_rows=ROWS)
    scores = model.score(model.load(file, release.model), rows, params.task)
    if not np.isfinite(scores).all():
        raise ProjectError(f"v{release.number} answers {scores!r} to held-out rows: no numbers")


def notes(known: list[Release]) -> str:
    """What a release is, before its model card: who, when, why, and by which hashes."""
    release, earlier = known[-1], rollback_of(known, len(known) - 1)
    parts = [f"Merged by {code(release.who)} on {release.when[:10]}{pull(release)}."]
    if earlier is not None:
        why = prose(release.reason, 300) if release.reason else "no reason was given"
        gone = known[-2].number
        parts.append(f"**Rollback** from v{gone} to the model of v{earlier.number}: {why}")
    hashes = {
        "commit": release.commit,
        "model": release.model,
        "training data": release.lock.get(TRAIN, ""),
        "held-out rows": release.lock.get(HOLDOUT, ""),
        "environment": release.environment,
    }
    lines = [[name, code(value or "none")] for name, value in hashes.items()]
    return "\n\n".join([*parts, table(["What", "Hash"], "ll", lines)])


def pull(release: Release) -> str:
    return f" by #{release.pull}" if release.pull else ""
