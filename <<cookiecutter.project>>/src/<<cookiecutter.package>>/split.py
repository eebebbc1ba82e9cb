"""Divide the table into rows to train on and held-out rows, file by file.

A file that falls on one side whole is copied, so the store keeps it once.
"""

import hashlib
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from .errors import ProjectError
from .params import Params

ROWS_A_GROUP = 100_000
"""Rows of a Parquet row group: fixed, because equal inputs must give equal bytes."""

Held = Callable[[Path], pl.Expr]
"""For a file, the expression that is true on its held-out rows."""


def run(params: Params, valid: Path, train: Path, holdout: Path) -> None:
    """Write the labelled rows of `valid` to `train` and `holdout`, under the same file names.

    Raises:
        ProjectError: too few days to train on, or one side is empty.
    """
    files = sorted(valid.glob("*.parquet"))
    held = by_time(params, files) if params.task.time else by_hash(params)
    for side in (train, holdout):
        side.mkdir(parents=True, exist_ok=True)
    known = labelled(params.task.target)
    counts = [divide(file, known, held(file), train, holdout) for file in files]
    trained, kept, left = (sum(side) for side in zip(*counts, strict=True))
    waiting = f"; {left:,} have no label yet" if left else ""
    if not (trained and kept):
        raise ProjectError(
            f"the split leaves {trained:,} rows to train on and {kept:,} held out, and needs "
            f"both{waiting}: mend split in params.yaml or bring more data in"
        )
    print(f"split: {trained:,} rows to train on, {kept:,} held out{waiting}")


def labelled(target: str) -> pl.Expr:
    """Whether a row's label is there: only then it can teach or judge a model."""
    return pl.col(target).cast(pl.Float64).is_not_nan().fill_null(False)


def by_time(params: Params, files: list[Path]) -> Held:
    """The last weeks before the declared date are held out; days without a label do not count.

    Raises:
        ProjectError: fewer days are left to train on than `split.min_train_days`.
    """
    last = cutoff(params)
    day = pl.col(str(params.task.time)).cast(pl.Date)
    earlier = (
        pl.scan_parquet(files)
        .filter(day <= last, labelled(params.task.target))
        .select(day.n_unique())
    )
    days = earlier.collect(engine="streaming").item()
    if days < params.split.min_train_days:
        raise ProjectError(
            f"{days} days are left to train on until {last}, and split.min_train_days is "
            f"{params.split.min_train_days}: move ingest.until ({params.ingest.until}) on, or hold "
            f"out fewer than {params.split.holdout_weeks} weeks"
        )
    return lambda file: day > last


def cutoff(params: Params) -> date:
    """The last day to train on: the declared date less the held-out weeks.

    Raises:
        ProjectError: the table has no declared date.
    """
    if params.ingest.until is None:
        raise ProjectError("ingest.until is null, so no weeks can be held out: declare a date")
    return params.ingest.until - timedelta(weeks=params.split.holdout_weeks)


def by_hash(params: Params) -> Held:
    """A share of the groups is held out; which ones depends on their names alone."""
    group = pl.col(params.split.group or params.task.key).cast(pl.String).fill_null("")

    def held(file: Path) -> pl.Expr:
        names = pl.scan_parquet(file).select(group.unique()).collect().to_series()
        return group.is_in([name for name in names if draw(name) < params.split.holdout_share])

    return held


def draw(name: str) -> float:
    """A number from 0 to 1 that is the same for a name on every machine and in every release."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def divide(
    file: Path, known: pl.Expr, held: pl.Expr, train: Path, holdout: Path
) -> tuple[int, int, int]:
    """Write one file's two sides; the number of rows of each, and of those without a label."""
    scan, rules = pl.scan_parquet(file), (known & ~held, known & held)
    sums = (rule.sum().alias(str(i)) for i, rule in enumerate(rules))
    rows, trained, kept = scan.select(pl.len(), *sums).collect(engine="streaming").row(0)
    for side, size, rule in zip((train, holdout), (trained, kept), rules, strict=True):
        if size == rows:
            shutil.copyfile(file, side / file.name)
        elif size:
            target = side / file.name
            scan.filter(rule).sink_parquet(target, row_group_size=ROWS_A_GROUP)
    return trained, kept, rows - trained - kept
