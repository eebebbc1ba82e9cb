"""The example: real flights, and nothing that is only known after departure."""

import json

import pytest

from baking import BakedProject, Oven

pytestmark = pytest.mark.slow

FACTS = """
import json
from datetime import date
import polars as pl
from flight_delays import ingest
options = ingest.Options(date(2013, 12, 31), 15)
flights, weather = ingest.flights(), ingest.weather()
table = ingest.prepare(flights, weather, options)
print(json.dumps({
    "flights": flights.height,
    "rows": table.height,
    "months": table["date"].dt.month().n_unique(),
    "keys": table["flight_id"].n_unique(),
}))
"""

TAMPERED = """
import sys
from datetime import date
import polars as pl
from flight_delays import ingest
options = ingest.Options(date(2013, 6, 30), 15)
flights, weather = ingest.flights(), ingest.weather()
arrived = flights.filter(pl.col("arr_delay").is_not_null())
table = ingest.prepare(arrived, weather, options)
mixed = arrived.with_columns(pl.col(ingest.LATER).shuffle(seed=1))
assert not mixed.equals(arrived)
later = ingest.prepare(mixed, weather, options)
assert later.drop("late").equals(table.drop("late"))
assert not later["late"].equals(table["late"])
tomorrow = weather.filter(pl.col("time_hour") >= pl.datetime(2013, 3, 1, 18))
hidden = ingest.prepare(arrived, weather.join(tomorrow, on=weather.columns, how="anti"), options)
day = pl.col("date") <= date(2013, 2, 28)
assert hidden.filter(day).equals(table.filter(day))
"""


@pytest.fixture(scope="module")
def project(oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> BakedProject:
    project = oven.bake(tmp_path_factory.mktemp("example"), {})
    project.make("setup")
    return project


def test_the_year_is_whole(project: BakedProject) -> None:
    """336,776 flights, 9,430 of which never arrived; each of the others is a row with its key."""
    found = json.loads(project.run(".venv/bin/python", "-c", FACTS).stdout)
    assert found == {"flights": 336_776, "rows": 327_346, "months": 12, "keys": 327_346}


def test_what_is_known_later_changes_no_feature(project: BakedProject) -> None:
    """Shuffle every later column of the source: the target changes, and nothing else does.

    Nor does any weather that was observed after the days in question.
    """
    project.run(".venv/bin/python", "-c", TAMPERED)
