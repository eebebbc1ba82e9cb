"""Another table than the example's: parcels of some days, and whether they came back.

Its source is a folder of batches, each named by its last day: whatever a test puts there.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from baking import BakedProject
from drawn import HOSTILE

PACKAGE = "src/flight_delays"
FIRST = date(2026, 1, 1)
A_DAY = 300

INGEST = '''"""Parcels, and whether they came back: the batches of a folder."""

from datetime import date
from pathlib import Path

import msgspec

LATER = ("reason",)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section `ingest` of `params.yaml`."""

    until: date
    source: str


def run(options: Options, raw: Path) -> None:
    """Copy the batches up to and including `options.until`."""
    raw.mkdir(parents=True, exist_ok=True)
    for file in batches(options):
        if date.fromisoformat(file.stem) <= options.until:
            (raw / file.name).write_bytes(file.read_bytes())


def newest(options: Options) -> date:
    """The day of the newest batch."""
    return date.fromisoformat(batches(options)[-1].stem)


def batches(options: Options) -> list[Path]:
    return sorted(Path(options.source).glob("*.parquet"))
'''

SCHEMA = '''"""The contract of the parcels; whether one comes back is not known at once."""

import pandera.polars as pa
import polars as pl

HUBS = ["north", "south", "east"]

SCHEMA = pa.DataFrameSchema(
    {
        "parcel": pa.Column(pl.String),
        "day": pa.Column(pl.Date),
        "weight": pa.Column(pl.Float64, pa.Check.in_range(0, 100), nullable=True),
        "stops": pa.Column(pl.Int64, pa.Check.in_range(0, 50)),
        "hub": pa.Column(pl.String, pa.Check.isin(HUBS), nullable=True),
        "returned": pa.Column(pl.Boolean, nullable=True),
    },
    strict=True,
)
'''

TASK = {
    "kind": "binary",
    "target": "returned",
    "metric": "roc_auc",
    "threshold": 0.5,
    "key": "parcel",
    "time": "day",
    "cluster": "day",
    "numeric": ["weight", "stops"],
    "categorical": ["hub"],
}


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def chance(seed: int) -> pl.Expr:
    """A number from 0 to 1 for each row, the same in every run."""
    return pl.int_range(pl.len()).hash(seed) % 1_000_000 / 1_000_000


def parcels(first: int, days: int, a_day: int = A_DAY) -> pl.DataFrame:
    """The parcels of some days: heavy ones from the east come back more often."""
    numbers = pl.int_range(days * a_day, eager=True)
    seed, hubs = 10 * first, ("north", "south", "east")
    rows = pl.DataFrame({"day": [day(first + n // a_day) for n in numbers]}).with_columns(
        pl.format("{}-{}", "day", pl.int_range(pl.len())).alias("parcel"),
        (40 * chance(seed + 1)).round(1).alias("weight"),
        (12 * chance(seed + 2)).cast(pl.Int64).alias("stops"),
        pl.lit(pl.Series([[*hubs]])).list.get((3 * chance(seed + 3)).cast(pl.Int64)).alias("hub"),
    )
    risk = 0.1 + pl.col("weight") / 80 + 0.2 * (pl.col("hub") == "east")
    columns = ("parcel", "day", "weight", "stops", "hub", "returned")
    return rows.with_columns((chance(seed + 4) < risk).alias("returned")).select(columns)


def hostile() -> pl.Expr:
    """Hubs that nobody wants to have in a report."""
    return pl.lit(pl.Series([HOSTILE])).list.get(pl.int_range(pl.len()) % len(HOSTILE))


def deliver(source: Path, rows: pl.DataFrame, until: int) -> None:
    """Put a batch into the folder that is the source."""
    source.mkdir(exist_ok=True)
    rows.write_parquet(source / f"{day(until)}.parquet")


def of_parcels(project: BakedProject, source: str) -> None:
    """Let a project have this table: 60 days, of which three weeks are held out."""
    params = yaml.safe_load(project.read("params.yaml"))
    params["task"] = TASK
    params["ingest"] = {"until": "2026-03-01", "source": source}
    params["split"] |= {"holdout_weeks": 3, "min_train_days": 30}
    params["validate"]["examples"] = 20
    params["train"]["arguments"] |= {"max_iter": 20, "min_samples_leaf": 50}
    params["train"] |= {"importance_rows": 200, "importance_repeats": 1}
    params["evaluate"] |= {"slices": ["hub"], "min_slice_rows": 100}
    params["gate"] |= {"margin": 0.05, "beat_linear": None}
    params["drift"]["calendar"] = []
    write_params(project, params)
    project.write(f"{PACKAGE}/ingest.py", INGEST)
    project.write(f"{PACKAGE}/schema.py", SCHEMA)


def write_params(project: BakedProject, params: dict[str, Any]) -> None:
    project.write("params.yaml", yaml.safe_dump(params, sort_keys=False))
