"""Hand on both tables of a night in which columns changed, so that the next job draws them.

Evidently has an environment of its own, and a night waits for no picture: the job `look` hands the
tables on, and `draw` draws them while the training starts.
"""

import json
import shutil
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from .. import drift
from ..clusters import Grouped, pair
from ..params import Params
from . import production, supply
from .lock import asks
from .night import FILES, VALID
from .side import TRAIN, Side
from .start import RECORD


def run(values: Params, root: Path, night: Path, folder: Path) -> bool:
    """Write reference.parquet and current.parquet, sampled as the drift was.

    Args:
        night: what `look` left.

    Returns:
        Whether a column changed; nothing is written where none did.

    Raises:
        ProjectError: the store lacks the rows that the model was trained on.
    """
    found: dict[str, Any] = json.loads((night / FILES / RECORD).read_text(encoding="utf-8"))
    if not (found["drift"] and found["drift"]["alarm"]):
        return False
    main = Side("main", str(asks(root, "rev-parse", "HEAD")), root)
    sides = sampled(values, learned(values, main), newer(values, main))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, side in zip(("reference", "current"), sides, strict=True):
        side.rows.write_parquet(folder / f"{name}.parquet")
    return True


def sampled(values: Params, old: pl.DataFrame, new: pl.DataFrame) -> tuple[Grouped, Grouped]:
    """Both tables without what is not tested, and without the key above all."""
    task, rules = values.task, values.drift
    kept = [*drift.roles_of(task, new.columns, task.cluster), task.cluster]
    names = [name for name in kept if name and name in old.columns]
    return pair(old.select(names), new.select(names), task.cluster, rules.rows, rules.seed)


def learned(values: Params, main: Side) -> pl.DataFrame:
    """The rows that the champion was trained on; those of `main`'s model before there is one."""
    champion = production.champion(main.root)
    known = champion if champion.trained else main
    with tempfile.TemporaryDirectory(prefix="drifted-") as name:
        supply.obtain(main.root, known.files, [TRAIN], values.store, Path(name))
        return pl.read_parquet(sorted((Path(name) / TRAIN).glob("*.parquet")))


def newer(values: Params, main: Side) -> pl.DataFrame:
    """The rows that are newer than the data of `main`'s model."""
    since = date.fromisoformat(str(main.params()["ingest"]["until"]))
    new = pl.col(str(values.task.time)).cast(pl.Date) > since
    return pl.scan_parquet(sorted((main.root / VALID).glob("*.parquet"))).filter(new).collect()
