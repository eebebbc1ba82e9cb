"""Draw the rows on which the project's tests run the whole pipeline: few, and from every batch."""

import shutil
from pathlib import Path

import polars as pl

from .errors import ProjectError
from .params import Params
from .split import draw

ROWS = 3000
"""About as many rows are drawn: enough for a model, little enough for git."""


def run(params: Params, valid: Path, sample: Path) -> None:
    """Write a stable random share of each file of `valid` to `sample`, under the same names.

    Raises:
        ProjectError: there is no validated table.
    """
    files = sorted(valid.glob("*.parquet"))
    if not files:
        raise ProjectError(f"{valid} holds no table: `make repro` first")
    share = ROWS / pl.scan_parquet(files).select(pl.len()).collect().item()
    shutil.rmtree(sample, ignore_errors=True)
    sample.mkdir(parents=True)
    for file in files:
        rows = pl.read_parquet(file)
        keys = rows[params.task.key].cast(pl.String).to_list()
        drawn = pl.Series([draw(f"sample {key}") < share for key in keys])
        rows.filter(drawn).write_parquet(sample / file.name)
    print(f"sample: about {ROWS:,} of the rows of {valid} are in {sample}")
