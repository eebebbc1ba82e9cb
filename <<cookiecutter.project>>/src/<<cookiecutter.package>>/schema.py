"""The data contract: every column of the table, its type and its limits.

Columns that are not listed are refused, and so are missing ones. `validate` adds what
`params.yaml` says about any table: the key is unique, no row is dated after `ingest.until`.
"""

import pandera.polars as pa
import polars as pl

Column, Check = pa.Column, pa.Check

SCHEMA = pa.DataFrameSchema(
    {
        "flight_id": Column(pl.String),
        "date": Column(pl.Date),
        "weekday": Column(pl.Int32, Check.in_range(1, 7)),
        "departure": Column(pl.Int32, Check.in_range(0, 24 * 60)),  # minutes since midnight
        "arrival": Column(pl.Int32, Check.in_range(0, 24 * 60)),
        "carrier": Column(pl.String, Check.str_matches(r"^[A-Z0-9]{2}$")),
        "origin": Column(pl.String, Check.isin(["EWR", "JFK", "LGA"])),
        "dest": Column(pl.String, Check.str_matches(r"^[A-Z]{3}$")),
        "distance": Column(pl.Int32, Check.in_range(10, 6000)),  # miles
        "temp": Column(pl.Float64, Check.in_range(-30, 120), nullable=True),  # degrees Fahrenheit
        "dewp": Column(pl.Float64, Check.in_range(-40, 100), nullable=True),
        "humid": Column(pl.Float64, Check.in_range(0, 100), nullable=True),  # percent
        "wind_speed": Column(pl.Float64, Check.in_range(0, 120), nullable=True),  # miles an hour
        "precip": Column(pl.Float64, Check.in_range(0, 10), nullable=True),  # inches
        "pressure": Column(pl.Float64, Check.in_range(950, 1060), nullable=True),  # hectopascal
        "visib": Column(pl.Float64, Check.in_range(0, 10), nullable=True),  # miles
        "late": Column(pl.Boolean),
    },
    strict=True,
)
