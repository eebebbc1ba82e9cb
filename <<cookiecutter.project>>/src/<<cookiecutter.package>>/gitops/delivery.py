"""What the newest commit of `release` puts into production: pulled, checked, asked, described."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl

from .. import model
from ..errors import ProjectError
from ..params import Params
from . import supply
from .history import Release, releases
from .lock import LOCK, asks, at, outputs
from .notes import notes, reviewed
from .side import HOLDOUT, MODEL, TRAIN

NOTES, REPORT, SHEET = "notes.md", "report.md", "datasheet.md"
DESCRIBED = 1024**3
"""Bytes of training data up to which a release comes with a data sheet."""

ROWS = 16
"""Held-out rows that the model is asked for before it is let into production."""


def run(params: Params, root: Path, card: Path, folder: Path) -> Release | None:
    """Leave model, notes, report and data sheet in `folder`; None where there is no model yet.

    Args:
        card: what `make card` wrote for this commit; what `make report` wrote is beside it.

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
    told = [reported(known[-1], card.with_name(REPORT), folder), described(params, root, folder)]
    shutil.rmtree(folder / "store")
    parts = [notes(root, known), " ".join(told), card.read_text(encoding="utf-8")]
    (folder / NOTES).write_text("\n\n".join(parts), encoding="utf-8")
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


def reported(release: Release, own: Path, folder: Path) -> str:
    """Leave the report that was reviewed, or else that of the model alone; say which it is."""
    found = reviewed(release)
    (folder / REPORT).write_text(found or own.read_text(encoding="utf-8"), encoding="utf-8")
    whose = "The report of its pull request" if found else "The model's own report"
    return f"{whose} is beside the model: `{REPORT}`."


def described(params: Params, root: Path, folder: Path) -> str:
    """Write the data sheet, and say where it is; a release that can have none goes on without."""
    from ..reporting import datasheet  # it brings pandera, which nothing else needs here

    files, store = at(root, "HEAD"), folder / "store"
    size = int(outputs(files[LOCK]).get(TRAIN, {}).get("size") or 0)
    try:
        if size > DESCRIBED:
            raise ProjectError(f"the training data are {size:,} bytes, and here it takes too long")
        supply.obtain(root, files, [TRAIN], params.store, store)
        datasheet.run(params, store / TRAIN, store / HOLDOUT, root / LOCK, folder / SHEET)
    except ProjectError as error:
        print(f"deliver: no data sheet: {error}")
        return "There is no data sheet: `make pull datasheet` writes it."
    return f"The data sheet is beside the model: `{SHEET}`."
