"""The models that `main` had, on the months that came after each: is a newer one worth it?"""

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from .. import metrics, model
from ..errors import ProjectError
from ..params import Params, Task
from ..split import labelled
from ..staleness import Score
from . import supply
from .models import models
from .side import MODEL, Side

MODELS, MONTHS = 12, 12
"""The newest so many models, on the newest so many months."""


def scores(values: Params, main: Side, rows: pl.DataFrame) -> list[Score]:
    """Each of the newest models on each whole month of labelled rows after its data.

    A model that needs a column that is no more, or whose file is not in the store or not to be
    trusted, is left out.

    Args:
        rows: the table that keeps the contract; those without a label are left out.
    """
    task = values.task
    if task.time is None:
        return []
    day = pl.col(task.time).cast(pl.Date)
    rows = rows.filter(labelled(task.target)).with_columns(day.dt.strftime("%Y-%m").alias(MONTH))
    found: list[Score] = []
    for known in models(str(main.commit), main.root)[-MODELS:]:
        found += aged(values, Side("", known.commit, main.root), rows)
    return found


MONTH = "month of the table"


def aged(values: Params, side: Side, rows: pl.DataFrame) -> Iterator[Score]:
    """One model on the months after its data."""
    past: dict[str, Any] = side.params()
    until = date.fromisoformat(str(past["ingest"]["until"]))
    task = values.task
    own = task_of(task, past)
    if set(own.features) - set(rows.columns) or past["task"].get("kind") != task.kind:
        return
    try:
        with tempfile.TemporaryDirectory(prefix="aged-") as name:
            supply.obtain(side.root, side.files, [MODEL], values.store, Path(name))
            pipeline = model.load(Path(name) / MODEL, side.digest(MODEL))
    except ProjectError:
        return
    measure = metrics.named(task.kind, task.threshold)[task.metric]
    later = rows.filter(pl.col(str(task.time)).cast(pl.Date) > until)
    for month in later[MONTH].unique().sort().to_list()[-MONTHS:]:
        part = later.filter(pl.col(MONTH) == month)
        truth = part[task.target].cast(pl.Float64).to_numpy()
        value = measure(truth, model.score(pipeline, part, own)).value
        days = part.select(pl.col(str(task.time)).cast(pl.Date) - until).to_series()
        age = int(days.dt.total_days().max())  # type: ignore[arg-type]
        if value == value:
            yield Score(side.digest(MODEL), str(until), month, age, value, part.height)


def task_of(task: Task, past: dict[str, Any]) -> Task:
    """The task with the columns that a model was made for."""
    columns = {name: past["task"][name] for name in ("numeric", "categorical")}
    return msgspec.structs.replace(task, **columns)
