"""What data can do to a night: each fault ends in a decision with its reason, or in one sentence.

The nights of this file are looked at on a laptop, in a clone of its own each; the table is another
one than the example's. `test_night_words.py` has nights in executed workflows.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from baking import IDENTITY, BakedProject, Oven
from drawn import HOSTILE, commands, live
from judged import edit
from parcels import PACKAGE, chance, day, deliver, hostile, of_parcels, parcels, write_params
from prepared import share_environment
from team import Remote, commit, with_a_python

pytestmark = pytest.mark.slow

NARROW = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Morning:
    """What a night left behind."""

    project: BakedProject
    code: int
    log: str

    @property
    def summary(self) -> str:
        return self.project.read("night/summary.md").replace(NARROW, " ")

    @property
    def reason(self) -> str:
        return self.summary.splitlines()[2]

    @property
    def issue(self) -> str:
        """What the job `tell` would write into the issue."""
        left = self.project.path / "problem/problem-look"
        (left / "reports").mkdir(parents=True)
        for name in ("problem.txt", "reports/violations.md"):
            shutil.copy(self.project.path / name, left / name)
        arguments = (json.dumps({"look": {"result": "failure"}}), "problem", "issue.md")
        module = ("-m", "flight_delays.gitops", "problem")
        said = self.project.run(".venv/bin/python", *module, *arguments).stdout
        assert not commands(said), said
        return self.project.read("issue.md")


@dataclass(frozen=True)
class Depot:
    """A repository whose `main` has a model of 60 days, and the machine that looks at it."""

    remote: Remote
    laptop: BakedProject

    @classmethod
    def create(
        cls, oven: Oven, folder: Path, rows: pl.DataFrame, change: Callable[[BakedProject], None]
    ) -> "Depot":
        laptop = with_a_python(oven.bake(folder, {}))
        laptop = replace(laptop, environment={**laptop.environment, **IDENTITY})
        of_parcels(laptop, "../source")
        change(laptop)
        deliver(folder / "source", rows, 59)
        remote = Remote.create(folder / "origin.git")
        laptop.run("git", "init", "-q", "-b", "main")
        laptop.run("git", "remote", "add", "origin", remote.path)
        laptop.make("setup")
        share_environment(laptop, ".venv", folder / "environment")
        commit(laptop, "Generated")
        laptop.make("repro")
        commit(laptop, "The first model")
        laptop.make("push")
        laptop.run("git", "push", "-q", "origin", "main")
        return cls(remote, laptop)

    def night(self, folder: Path, batch: pl.DataFrame, until: int = 66) -> Morning:
        """Look at a batch that came after the 60 days, in a fresh clone."""
        clone = folder / "clone"
        self.laptop.run("git", "clone", "-q", self.remote.path, clone)
        shutil.copytree(self.laptop.path.parent / "source", folder / "source")
        return self.again(BakedProject(clone, self.laptop.environment), batch, until)

    def again(self, clone: BakedProject, batch: pl.DataFrame, until: int) -> Morning:
        """The next night there; the repository is as it was, whatever it found."""
        deliver(clone.path.parent / "source", batch, until)
        refs = self.remote.git("for-each-ref")
        runner = {"PROBLEM_FILE": "problem.txt", "GITHUB_STEP_SUMMARY": str(clone.path / "page.md")}
        done = clone.make("look", UNTIL="", FORCE="", check=False, env=runner)
        log = done.stdout + done.stderr
        assert self.remote.git("for-each-ref") == refs
        assert "Traceback" not in log and not commands(log), log
        return Morning(clone, done.returncode, log)


@pytest.fixture(scope="module")
def depot(oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Depot:
    return Depot.create(
        oven, tmp_path_factory.mktemp("depot"), parcels(0, 60), lambda project: None
    )


def looked(morning: Morning) -> str:
    """The reason of a night that is no failure."""
    assert morning.code == 0, morning.log
    return morning.reason


def refused(morning: Morning) -> str:
    """The issue of a night whose data break their contract: nothing is half written."""
    assert morning.code != 0, morning.log
    assert not morning.project.has("night") and not morning.project.has("reports/night.json")
    issue = morning.issue
    assert issue.startswith("### ⛔ Blocked: the data breaks its contract\n"), issue
    return issue


@pytest.mark.parametrize("name", HOSTILE[:-1])
def test_as_they_are_the_names_would_do_something(name: str) -> None:
    """Each of them is seen in a table that does not quote."""
    assert live(f"| a |\n| --- |\n| {name} |\n\n{name}") or commands(f"x\n{name}")


REFUSED: dict[str, tuple[pl.DataFrame, str]] = {
    "empty": (parcels(60, 7).clear(), "| the table | `at least one row` | 0 |"),
    "the last one again": (parcels(53, 7), "| `parcel` | `unique` | 4,200 |"),
    "without the label's column": (
        parcels(60, 7).drop("returned"),
        "| `returned` | `column is there` | 2,100 |",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_batch_that_is_none_is_refused(depot: Depot, tmp_path: Path, fault: str) -> None:
    batch, told = REFUSED[fault]
    if fault == "the last one again":
        batch = parcels(0, 60).tail(batch.height)
    assert told in refused(depot.night(tmp_path, batch))


def test_names_of_columns_do_nothing_but_show(depot: Depot, tmp_path: Path) -> None:
    """The batch has columns that the contract does not know, named by somebody hostile."""
    columns = {name: pl.lit(1) for name in HOSTILE}
    issue = refused(depot.night(tmp_path, parcels(60, 7).with_columns(**columns)))
    assert issue.count("`column is in the contract`") == len(HOSTILE)
    assert not live(issue), issue


def test_a_broken_batch_is_mended_by_the_next(depot: Depot, tmp_path: Path) -> None:
    """The issue has the failing table, its values quoted; the source then brings better rows."""
    stops = pl.lit(99, pl.Int64)
    broken = depot.night(tmp_path, parcels(60, 7).with_columns(hub=hostile(), stops=stops))
    issue = refused(broken)
    assert "`isin(['north', 'south', 'east'])`" in issue and "in_range(0, 50)" in issue
    assert not live(issue), issue
    (tmp_path / f"source/{day(66)}.parquet").unlink()
    mended = depot.again(broken.project, parcels(60, 8), 67)
    assert "2,400 rows are new" in looked(mended)
    assert not live(mended.summary), mended.summary


def test_ten_rows_are_too_few_to_judge(depot: Depot, tmp_path: Path) -> None:
    """Neither drift nor quality is called good."""
    morning = depot.night(tmp_path, parcels(60, 1).head(10), 60)
    reason = looked(morning)
    assert morning.summary.startswith("### 💤")
    assert "10 rows are new" in reason and "drift is not judged" in reason
    assert "the quality on them cannot be told" in reason
    assert "| ROC AUC on the new rows | cannot be told |" in morning.summary


def test_old_days_under_new_dates_teach_nothing(depot: Depot, tmp_path: Path) -> None:
    """A stuck source renames what it brought last week."""
    last = parcels(0, 60).tail(2100)
    later = {"day": pl.col("day") + timedelta(days=7), "parcel": pl.format("new {}", "parcel")}
    morning = depot.night(tmp_path, last.with_columns(**later))
    assert "earlier ones again, row for row" in looked(morning)
    assert morning.summary.startswith("### 💤")


def test_equal_labels_are_drift_of_the_target(depot: Depot, tmp_path: Path) -> None:
    """ROC AUC cannot be told of one class; the target's drift is reason enough."""
    morning = depot.night(tmp_path, parcels(60, 7).with_columns(returned=False))
    assert "drifted as they have not before: returned" in looked(morning)
    assert "| ROC AUC on the new rows | cannot be told |" in morning.summary


def test_labels_that_are_not_there_yet_are_waited_for(depot: Depot, tmp_path: Path) -> None:
    """Inputs are judged, quality is not; nothing is trained, and nothing is red."""
    none = pl.lit(None, pl.Boolean)
    unlabelled = parcels(60, 7).with_columns(returned=none, weight=pl.col("weight") + 30)
    morning = depot.night(tmp_path, unlabelled)
    reason = looked(morning)
    assert "the 2,100 newer rows have no labels yet" in reason
    assert "drifted as they have not before: weight" in reason
    assert morning.summary.startswith("### 💤")
    assert "| ROC AUC on the new rows | labels are not there yet |" in morning.summary
    assert "- Target: not judged, CURRENT has no labels yet." in morning.summary
    assert "2,100 have no label yet" in morning.log


def test_rows_with_a_label_are_trained_on_and_the_others_wait(depot: Depot, tmp_path: Path) -> None:
    """The split leaves out the newest ten of twenty days."""
    known = pl.when(pl.col("day") < day(70)).then("returned")
    morning = depot.night(tmp_path, parcels(60, 20).with_columns(returned=known), 79)
    assert "3,000 rows are new" in looked(morning)
    assert "| of them without a label yet | 3,000 |" in morning.summary
    assert "3,000 have no label yet" in morning.log
    for side in ("train", "holdout"):
        rows = pl.read_parquet(morning.project.path / f"data/{side}/*.parquet")
        assert rows.height and not rows["returned"].null_count()
        assert rows.filter(pl.col("day") >= day(70)).is_empty()


def test_columns_that_die_are_named(depot: Depot, tmp_path: Path) -> None:
    """One is constant from now on, one is missing in every row."""
    dead = {"stops": pl.lit(4, pl.Int64), "weight": pl.lit(None, pl.Float64)}
    morning = depot.night(tmp_path, parcels(60, 7).with_columns(**dead))
    reason = looked(morning)
    assert "not before: stops, weight" in reason or "not before: weight, stops" in reason
    assert "missing 0 % → 100 %" in morning.summary


NUMBERS = [f"x{place}" for place in range(190)] + HOSTILE[:-1]
"""With those of a parcel 200 columns to learn from, some with hostile names."""


def wide(first: int, days: int, shift: int = 0) -> pl.DataFrame:
    """1,500 parcels a day, each with a name of its own; a constant and a column of nothing."""
    numbers = {
        name: (20 * chance(100 + place)).floor() + (shift if name in HOSTILE else 0)
        for place, name in enumerate(NUMBERS)
    }
    return parcels(first, days, 1500).with_columns(
        **numbers,
        constant=pl.lit(1.0),
        nothing=pl.lit(None, pl.String),
        name=pl.format("name {}", 100_000 * (first // 60) + pl.int_range(pl.len())),
    )


def widen(project: BakedProject) -> None:
    """The contract and the task have all these columns."""
    edit(
        project,
        f"{PACKAGE}/schema.py",
        "    },\n    strict",
        f"        **{{name: pa.Column(pl.Float64) for name in {[*NUMBERS, 'constant']!r}}},\n"
        '        "nothing": pa.Column(pl.String, nullable=True),\n'
        '        "name": pa.Column(pl.String),\n'
        "    },\n    strict",
    )
    params = yaml.safe_load(project.read("params.yaml"))
    params["task"]["numeric"] += [*NUMBERS, "constant"]
    params["task"]["categorical"] += ["nothing", "name"]
    params["train"] |= {"importance_rows": 20}
    params["train"]["arguments"]["max_iter"] = 5
    write_params(project, params)


def test_two_hundred_columns_and_as_many_categories_as_rows(
    oven: Oven, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """They are trained on and judged; hostile names in the reasons and in the table only show."""
    depot = Depot.create(oven, tmp_path_factory.mktemp("wide"), wide(0, 60), widen)
    morning = depot.night(tmp_path, wide(60, 7, shift=9))
    assert "one `::set-output name=train::true, ##[error]x` and 4 more" in looked(morning)
    assert not live(morning.summary), morning.summary
    assert "10,500 new values in 10,500 rows" in morning.summary
    assert "more columns are in" in morning.summary and len(morning.summary.encode()) < 15_000
    record = json.loads(morning.project.read("night/files/reports/night.json"))
    columns = record["drift"]["columns"]
    assert len(columns) > 200 and columns["nothing"]["reason"] == "all its values are missing"
    assert not columns["constant"]["alarm"]
