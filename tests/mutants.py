"""What a mistaken team, or a dishonest one, does to a model before it proposes it."""

import json

import polars as pl

from baking import BakedProject
from judged import PACKAGE, edit

TABLE = "    table = prepare(flights(), weather(), options)\n"


def train_labels(project: BakedProject, labels: str, split: str) -> None:
    """Write other labels into the rows to train on; the held-out ones stay true.

    Args:
        split: the last day to train on.
    """
    old = f'pl.col("date") <= pl.lit("{split}").str.to_date()'
    edit(
        project,
        f"{PACKAGE}/ingest.py",
        TABLE,
        f'{TABLE}    old, late = {old}, pl.col("late")\n    table = table.with_columns({labels})\n',
    )


def replace(project: BakedProject, path: str, table: pl.DataFrame) -> None:
    """Put another file in place of an output."""
    (project.path / path).unlink()
    table.write_parquet(project.path / path)


def record(project: BakedProject) -> None:
    """Let dvc.lock name what lies there, whoever made it, and bring it to the store."""
    project.run(".venv/bin/dvc", "commit", "-q", "-f")
    project.make("push")


def edit_metric(project: BakedProject, name: str, value: float) -> None:
    """Write another figure into the metrics, by hand."""
    path = "reports/metrics.json"
    metrics = json.loads(project.read(path))
    metrics[name]["value"] = value
    project.write(path, json.dumps(metrics, indent=2) + "\n")
    record(project)
