"""Ratios of speed, each of two things measured side by side in one run: `make bench`.

`python tests/bench.py cold nothing` takes only these. Nothing is asserted, because a busy machine
moves every figure; the two sides take turns, so that it moves both. Results are the table that is
printed, and `benchmarks.json`.
"""

import contextlib
import json
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from baking import BakedProject, Oven, isolated_environment
from options import REPOSITORY

TARGET = REPOSITORY / "benchmarks.json"
COPIES = 31  # of the year's 327,346 flights: 10 million rows
SIZES = (1, 10, 30)
FREE_BYTES = 2 * 1024**3
MIB = 1024**2

ITERATIONS, UNTIL = "max_iter: 200", 'until: "2013-06-30"'
WHOLE_YEAR = 'until: "2013-12-31"'

# What somebody would write who needs no pipeline: no model file, so skops is not imported.
BARE = """
import sys
from datetime import timedelta
from types import ModuleType

sys.modules["skops"] = sys.modules["skops.io"] = ModuleType("skops.io")
import polars as pl
from flight_delays import ingest, metrics, model, params

values = params.load()
task, options = values.task, values.train
source = params.options("ingest", ingest.Options)
table = ingest.prepare(ingest.flights(), ingest.weather(), source)
last = source.until - timedelta(weeks=values.split.holdout_weeks)
train, held = table.filter(pl.col(task.time) <= last), table.filter(pl.col(task.time) > last)
estimator = model.create(
    options.estimator, options.arguments, task, options.encoding, options.seed
)
pipeline = model.build(task, options.encoding, estimator)
pipeline.fit(model.features(train, task), train[task.target].cast(pl.Float64).to_numpy())
truth = held[task.target].cast(pl.Float64).to_numpy()
score = model.score(pipeline, held, task)
print(metrics.named(task.kind, task.threshold)[task.metric](truth, score).value)
"""

# In place of the shell that DVC starts for each stage: notes the stage's name and its seconds.
STOPWATCH = """
import os, sys, time

begun = time.perf_counter()
code = os.spawnv(os.P_WAIT, "/bin/sh", ["sh", *sys.argv[1:]])
with open(__file__ + ".log", "a") as log:
    log.write(f"{sys.argv[-1].split()[3]} {time.perf_counter() - begun}\\n")
sys.exit(code)
"""

# The year over and over, each time with other keys, as files of a month, of a year, and as one.
TABLES = """
import sys
from pathlib import Path

import polars as pl
from flight_delays import ingest, params

folder, copies = Path(sys.argv[1]), int(sys.argv[2])
options = params.options("ingest", ingest.Options)
year = ingest.prepare(ingest.flights(), ingest.weather(), options)
months = [month for _, month in year.group_by(pl.col("date").dt.month(), maintain_order=True)]
for name in ("month", "year", "one"):
    (folder / name).mkdir(parents=True)
for copy in range(copies):
    key = pl.format("{} {}", "flight_id", pl.lit(copy))
    year.with_columns(key.alias("flight_id")).write_parquet(folder / f"year/{copy:02}.parquet")
    for number, month in enumerate(months):
        name = f"month/{copy:02}-{number:02}.parquet"
        month.with_columns(key.alias("flight_id")).write_parquet(folder / name)
ten = pl.scan_parquet(sorted((folder / "year").iterdir())[:10])
ten.sink_parquet(folder / "one/all.parquet")
"""

# The rules of schema.py as one lazy query, and the project's own check, in turns.
VALIDATE = """
import json, sys, time
from pathlib import Path

import polars as pl
from flight_delays import params, validate
from flight_delays.schema import SCHEMA

values = params.load()
task, until = values.task, values.ingest.until
files = sorted(Path(sys.argv[1]).iterdir())


def kept(column, check):
    rule = check.statistics
    if check.name == "in_range":
        return column.is_between(rule["min_value"], rule["max_value"])
    if check.name == "isin":
        return column.is_in(rule["allowed_values"])
    if check.name == "str_matches":
        return column.str.contains(rule["pattern"])
    raise SystemExit(f"bench: say in tests/bench.py what {check.name} is in polars")


def rules():
    for name, column in SCHEMA.columns.items():
        for number, check in enumerate(column.checks):
            yield (~kept(pl.col(name), check)).sum().alias(f"{name} {number}")
        if not column.nullable:
            yield pl.col(name).null_count().alias(f"{name} missing")
    yield (pl.col(task.time) > until).sum().alias("late")
    yield (pl.len() - pl.col(task.key).hash().n_unique()).alias("doubled")


def scan():
    return pl.scan_parquet(files).select(*rules()).collect(engine="streaming").row(0)


def seconds(work, nothing):
    begun = time.perf_counter()
    found = work()
    if found != nothing:
        raise SystemExit(f"bench: broken rules in a table without any: {found}")
    return time.perf_counter() - begun


clean = scan()
if any(clean):
    raise SystemExit(f"bench: broken rules in a table without any: {clean}")
for _ in range(int(sys.argv[2])):
    ours = seconds(lambda: validate.check(files, SCHEMA, values), None)
    print(json.dumps([ours, seconds(scan, clean)]))
"""

# Pairs of models on days that share their luck, judged by the gate itself. A model is the signal
# that all see, and noise of its own on each row and on each day.
RATES = """
import json
import math

import msgspec
import numpy as np
import polars as pl
from flight_delays import compare, params

values, rng = params.load(), np.random.default_rng(1)
METRICS = {"binary": "roc_auc", "regression": "mae", "multiclass": "log_loss"}
RED = ("worse", "blocked")
SHARES = np.geomspace(0.2, 0.002, 16)
SHARES /= SHARES.sum()


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def tables(kind, days, rows, noises, slices):
    size = np.maximum(rng.lognormal(math.log(rows), 0.5, days).astype(int), 5)
    day = np.repeat(np.arange(days), size)
    width = 3 if kind == "multiclass" else 1
    signal = rng.normal(0, 1, (len(day), width)) + rng.normal(0, 0.5, (days, width))[day]
    luck = rng.random(len(day))
    if kind == "regression":
        truth = signal[:, 0] + rng.normal(0, 1, len(day))
    elif kind == "binary":
        truth = luck < 1 / (1 + np.exp(1 - signal[:, 0]))
    else:
        truth = (softmax(signal).cumsum(axis=1)[:, :2] < luck[:, None]).sum(axis=1)
    common = {"key": np.arange(len(day)), "cluster": day, "truth": truth.astype(float)}
    if slices:
        common["slice"] = rng.choice(len(SHARES), len(day), p=SHARES)
    for noise in noises:
        seen = signal + noise * rng.normal(0, 1, signal.shape)
        seen += noise / 2 * rng.normal(0, 1, (days, width))[day]
        score = seen[:, 0] if kind == "regression" else 1 / (1 + np.exp(1 - seen[:, 0]))
        if kind == "multiclass":
            score = pl.Series(softmax(seen), dtype=pl.Array(pl.Float64, width))
        yield pl.DataFrame(common | {"score": score})


def judged(kind, days, rows, noises, slices=False, margin=0.0):
    task = msgspec.structs.replace(values.task, kind=kind, metric=METRICS[kind])
    gate = msgspec.structs.replace(values.gate, floors={}, jump=None, margin=margin)
    return compare.compare(*tables(kind, days, rows, noises, slices), task=task, gate=gate)


def rate(name, setting, count, holds):
    found = sum(holds() for _ in range(count))
    print(json.dumps([name, setting, found, count]), flush=True)


for kind in METRICS:
    whole = judged(kind, 3000, 100, (0.5, 0.2))["metrics"][METRICS[kind]]
    half = abs(whole["difference"]) / 2
    for days in (12, 20, 30, 60):
        setting = f"{kind} {days} days"
        better = lambda: judged(kind, days, 50, (0.3, 0.3))["verdict"] == "better"
        rate("better", setting, 800, better)
        red = lambda: judged(kind, days, 50, (0.5, 0.2), margin=half)["verdict"] in RED
        rate("blocked", setting, 200, red)
for days in (20, 60):
    def false_block():
        found = judged("binary", days, 200, (0.3, 0.3), slices=True)["slices"]
        return any(each["result"] == "worse" for each in found)
    rate("slices", f"{days} days", 600, false_block)
"""

# Nights whose truth is known: 150 days to compare with, 1,000 new rows; the share `icc` of a
# column's variance is between days, half of it common to all columns; `memory` is the correlation
# of a day with the next. A shift moves one column by half a standard deviation. Most are drawn as
# the counts of ten bins, which the same test judges sooner than rows; some are rows, for the whole.
NIGHTS = """
import json
import math
import sys
import time

import msgspec
import numpy as np
import polars as pl
from flight_delays import drift, params, permutation
from scipy.special import ndtr, ndtri

rules = msgspec.structs.replace(params.load().drift, calendar=[])
rng = np.random.default_rng(int(sys.argv[2]))
draw, drawn = permutation.selections, {}
ENDS = ndtri(np.arange(11) / 10)


def once(strata, *setting):
    # Every night has the same seed, so its draws are those of the night before.
    key = strata.tobytes(), *setting
    if key not in drawn:
        drawn[key] = draw(strata, *setting)
    return drawn[key]


permutation.selections = once


def luck(days, columns, memory):
    state = rng.normal(size=(days, columns))
    for day in range(1, days):
        state[day] = memory * state[day - 1] + math.sqrt(1 - memory**2) * state[day]
    return state


def days_of(columns, new, icc, memory, shift, rows, days):
    size = rng.lognormal(math.log(rows / new), 0.3, days + new).astype(int).clip(2)
    mean = luck(days + new, 1, memory) + luck(days + new, columns, memory)
    mean *= math.sqrt(icc / 2)
    mean[days:, 0] += shift
    return size, mean


def night(columns, new, icc, memory, shift=0.0, rows=1000, days=150):
    size, mean = days_of(columns, new, icc, memory, shift, rows, days)
    day = np.repeat(np.arange(days + new), size)
    values = mean[day] + math.sqrt(1 - icc) * rng.normal(size=(len(day), columns))
    table = pl.DataFrame(values, schema=[f"c{i}" for i in range(columns)])
    table = table.with_columns(pl.Series("day", day))
    return table.filter(pl.col("day") < days), table.filter(pl.col("day") >= days)


def whole(*setting, **more):
    old, new = night(*setting, **more)
    roles = dict.fromkeys(old.columns[:-1], "feature")
    begun = time.perf_counter()
    found = drift.drift(old, new, cluster="day", roles=roles, rules=rules)
    return [c["alarm"] for c in found["columns"].values()], time.perf_counter() - begun


def counted(columns, new, icc, memory, shift=0.0, days=150):
    size, mean = days_of(columns, new, icc, memory, shift, 1000, days)
    below = ndtr((ENDS - mean[:, :, None]) / math.sqrt(1 - icc))
    counts = rng.multinomial(size[:, None], np.diff(below)).astype(np.float32)
    strata = np.zeros(len(counts), np.intp)
    chosen = permutation.selections(strata, new, rules.permutations, rules.seed)
    known = permutation.memory(counts[:days], strata[:days], np.arange(days), new)
    return permutation.judge(counts, strata, chosen, known, rules.alarm).p <= rules.alarm


def rate(name, count, *setting, shift=0.0, rows=False):
    count = max(int(count * times), 1)
    found = 0
    for _ in range(count):
        alarms = whole(*setting, shift=shift)[0] if rows else counted(*setting, shift=shift)
        found += bool(alarms[0] if shift else any(alarms))
    columns, new, icc, memory = setting
    shown = f"{columns} columns, {new} days, icc {icc:g}, memory {memory:g}"
    print(json.dumps([name, shown + (", rows" if rows else ""), found, count]), flush=True)


times = float(sys.argv[1])
for columns, count in ((12, 1500), (200, 400)):
    for memory in (0, 0.6):
        for new, icc in ((7, 0.05), (30, 0.1)):
            rate("calm", count, columns, new, icc, memory)
rate("calm", 200, 12, 7, 0.05, 0.6, rows=True)
for new, icc in ((7, 0.05), (30, 0.1)):
    rate("found", 1000, 12, new, icc, 0, shift=0.5)
    rate("found", 200, 12, new, icc, 0, shift=0.5, rows=True)
    rate("memory", 500, 12, new, icc, 0.6, shift=0.5)
for _ in range(5):
    print(json.dumps(["seconds", "", whole(12, 30, 0.05, 0, rows=50_000)[1], 1]), flush=True)
"""

# Prediction files of so many rows, and the seconds of the command beside its imports.
PREDICTIONS = """
import sys
from pathlib import Path

import numpy as np
import polars as pl

folder, rows = Path(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
truth = rng.random(rows) < 0.3
common = {
    "key": pl.Series(rng.permutation(rows)).cast(pl.String),
    "cluster": rng.integers(0, 56, rows),
    "truth": truth.astype(float),
    "carrier": rng.integers(0, 16, rows).astype(str),
    "origin": rng.integers(0, 3, rows).astype(str),
}
folder.mkdir(parents=True)
for name in ("now", "base"):
    score = 1 / (1 + np.exp(1 - truth - rng.normal(0, 1, rows)))
    table = pl.DataFrame(common | {"score": score}).sample(fraction=1, shuffle=True, seed=1)
    table.write_parquet(folder / f"{name}.parquet")
"""
SECONDS = """
import sys, time
from pathlib import Path

from flight_delays import compare, params

folder, values = Path(sys.argv[1]), params.load()
for _ in range(9):
    begun = time.perf_counter()
    compare.run(values, folder / "now.parquet", folder / "base.parquet", None, folder / "out.json")
    print("seconds", time.perf_counter() - begun)
"""

# The model alone on rows that are there already, and the command with all that it does, in turns.
PREDICT = """
import json, sys, time
from pathlib import Path

import polars as pl
from flight_delays import model, params, predict

values, file, folder = params.load(), Path(sys.argv[1]), Path(sys.argv[2])
path = Path("models/model.skops")
pipeline, rows = model.load(path), pl.read_parquet(file)
for _ in range(int(sys.argv[3])):
    begun = time.perf_counter()
    model.score(pipeline, rows, values.task)
    bare = time.perf_counter() - begun
    begun = time.perf_counter()
    predict.run(values, path, Path("dvc.lock"), file, folder / "scores.parquet", folder / "log")
    print(json.dumps([rows.height, bare, time.perf_counter() - begun]))
"""


@dataclass(frozen=True)
class Result:
    """A figure measured several times, and what it should be."""

    name: str
    values: list[float]
    goal: float | None = None
    at_least: bool = False
    unit: str = ""
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.median >= self.goal if self.at_least else self.median <= self.goal

    def row(self) -> list[str]:
        goal, verdict = "", ""
        if self.goal is not None:
            goal = f"{'>=' if self.at_least else '<='} {self.goal:g}{self.unit}"
            verdict = "met" if self.met else "not met"
        spread = f"{min(self.values):.2f}..{max(self.values):.2f}"
        return [self.name, f"{self.median:.2f}{self.unit}", spread, goal, verdict]


@dataclass(frozen=True)
class Cost:
    """What a finished command took and said."""

    seconds: float
    peak_bytes: int
    output: str

    def stages(self, words: str) -> str:
        """The stages of which DVC says `words`, such as Running."""
        return ", ".join(re.findall(rf"{words} '(\w+)'", self.output)) or "nothing"


class Bench:
    """A generated project that is set up and has run once, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = make_folder(folder / "home")
        environment = isolated_environment(self.home, REPOSITORY / ".cache")
        self.oven = Oven(make_folder(folder / "oven"), environment)
        self.template = copy_of_template(folder / "template")
        say("setup: generating a project, setting it up, running it once")
        path = Path(self.oven.generate(folder / "project", {}, self.template))
        self.project = BakedProject(path, environment)
        self.project.make("setup")
        self.environment = environment | self.exported()
        me = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
        self.run("git", "add", ".")
        self.run("git", *me, "commit", "-q", "-m", "As generated")
        self.run("make", "repro")
        self.bare()

    def exported(self) -> dict[str, str]:
        """The environment that the project's Makefile gives to every command."""
        plain = re.findall(r"^export (\w+) \??:?= ([^\s$]+)", self.project.read("Makefile"), re.M)
        tools = self.project.path / ".venv/bin"
        return dict(plain) | {"PATH": f"{tools}{os.pathsep}{self.project.environment['PATH']}"}

    def run(self, *command: str | Path, cwd: Path | None = None, **variables: str) -> Cost:
        """Run a command to its end, in the project unless told otherwise.

        The peak is no less than that of this process, which Linux hands on to its children.
        """
        words = [str(word) for word in command]
        with (self.folder / "output.log").open("w+") as output:
            begun = time.perf_counter()
            process = subprocess.Popen(
                words,
                cwd=cwd or self.project.path,
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            said = output.read()
        if process.returncode:
            shown = " ".join(words)[:200]
            raise SystemExit(f"bench: `{shown}` ended with {process.returncode}:\n{said}")
        return Cost(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), said)

    def bare(self) -> Cost:
        return self.run("python", "-c", BARE)

    def reset(self) -> None:
        """Back to the project as it was generated: no output, no lock, no cache of DVC's."""
        self.run("git", "clean", "-fdxq", "-e", ".venv", "-e", "__pycache__")
        shutil.rmtree(self.home / "dvc", ignore_errors=True)

    @contextlib.contextmanager
    def edited(self, old: str, new: str) -> Iterator[None]:
        """Give a parameter another value for a while."""
        text = self.project.read("params.yaml")
        if old not in text:
            raise SystemExit(f"bench: params.yaml has no `{old}` any more: mend tests/bench.py")
        self.project.write("params.yaml", text.replace(old, new))
        yield
        self.project.write("params.yaml", text)

    def tables(self) -> Path:
        """The folder of the big tables: month, year, one."""
        folder = self.folder / "tables"
        if not folder.exists():
            if shutil.disk_usage(self.folder).free < FREE_BYTES:
                raise SystemExit(f"bench: {self.folder} has not {FREE_BYTES / MIB:,.0f} MiB free")
            say(f"tables: writing {COPIES} times the year")
            with self.edited(UNTIL, WHOLE_YEAR):
                self.run("python", "-c", TABLES, folder, str(COPIES))
        return folder


def copy_of_template(folder: Path) -> Path:
    """The files that Git knows or would add: no cache takes part, and no edit made meanwhile."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\0"):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    return folder


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def say(text: str) -> None:
    print(text, flush=True)


def rounds(name: str, count: int) -> Iterator[int]:
    """Count the rounds of a measurement on one line."""
    print(f"{name}: {count} rounds ", end="", flush=True)
    for number in range(count):
        yield number
        print(".", end="", flush=True)
    print(flush=True)


def cold(bench: Bench) -> list[Result]:
    """The whole pipeline from nothing, against one process that reads, encodes, fits and scores."""
    log, shell = stopwatch(bench.folder)
    # What the stopwatch itself costs is neither DVC's nor a stage's.
    starts = [bench.run(shell, "-c", ": a b start").seconds for _ in range(5)]
    bare: list[float] = []
    whole: list[float] = []
    shares: list[float] = []
    stages: dict[str, list[float]] = {}
    for _ in rounds("cold", 5):
        bare.append(bench.bare().seconds)
        bench.reset()
        log.unlink(missing_ok=True)
        seconds = bench.run("make", "repro", SHELL=str(shell)).seconds
        ran = [line.split() for line in log.read_text().splitlines()]
        whole.append(seconds - len(ran) * statistics.median(starts))
        shares.append(whole[-1] - sum(float(spent) for _, spent in ran))
        for name, spent in ran:
            stages.setdefault(name, []).append(float(spent))
    ratios = [ours / other for ours, other in zip(whole, bare, strict=True)]
    parts = {"bare": bare, "cold": whole, **stages}
    note = ", ".join(f"{name} {statistics.median(part):.2f}" for name, part in parts.items())
    return [
        Result("cold pipeline / one bare process", ratios, goal=2, note=f"seconds: {note}"),
        Result("DVC's own share of it", shares, goal=1, unit=" s", note="make and DVC less stages"),
    ]


def stopwatch(folder: Path) -> tuple[Path, Path]:
    """A shell that times each stage within DVC's own run, and the log that it writes."""
    program, shell = folder / "stopwatch.py", folder / "stopwatch"
    program.write_text(STOPWATCH)
    shell.write_text(f'#!/bin/sh\nexec python -I -S "{program}" "$@"\n')
    shell.chmod(0o755)
    return Path(f"{program}.log"), shell


def nothing(bench: Bench) -> list[Result]:
    """`make repro` with nothing to do, against bare DVC with nothing to do."""
    empty = empty_pipeline(bench)
    bench.run("make", "repro")
    ratios, ours, bare = [], [], []
    for _ in rounds("nothing", 10):
        bare.append(bench.run("python", "-m", "dvc", "repro", cwd=empty).seconds)
        now = bench.run("make", "repro")
        if now.stages("Running stage") != "nothing":
            raise SystemExit(f"bench: a second `make repro` ran stages:\n{now.output}")
        ours.append(now.seconds)
        ratios.append(ours[-1] / bare[-1])
    note = f"seconds: {statistics.median(ours):.2f} and {statistics.median(bare):.2f}"
    return [Result("nothing to do / empty five-stage pipeline", ratios, goal=1.3, note=note)]


def empty_pipeline(bench: Bench) -> Path:
    """Five stages that do nothing, run once; without an output DVC would run them every time."""
    folder = make_folder(bench.folder / "empty")
    stages = {f"stage{i}": {"cmd": f"touch {i}.txt", "outs": [f"{i}.txt"]} for i in range(5)}
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))  # JSON is YAML
    bench.run("git", "init", "-q", cwd=folder)
    bench.run("python", "-m", "dvc", "init", "-q", cwd=folder)
    bench.run("python", "-m", "dvc", "repro", cwd=folder)
    return folder


def parameter(bench: Bench) -> list[Result]:
    """One changed training parameter, and back to the known one, against the cold run."""
    changes, backs, notes = [], [], ("", "")
    for _ in rounds("parameter", 3):
        bench.reset()
        whole = bench.run("make", "repro").seconds
        with bench.edited(ITERATIONS, "max_iter: 150"):
            changed = bench.run("make", "repro")
        back = bench.run("make", "repro")
        changes.append(changed.seconds / whole)
        backs.append(back.seconds / whole)
        notes = (
            f"{changed.seconds:.1f} of {whole:.1f} s; runs {changed.stages('Running stage')}",
            f"{back.seconds:.1f} s; runs {back.stages('Running stage')}",
        )
    return [
        Result("one changed training parameter / cold", changes, note=notes[0]),
        Result("back to a known parameter / cold", backs, note=notes[1]),
    ]


def generate(bench: Bench) -> list[Result]:
    """This template, against one of the same files with one question and no hook."""
    plain = plain_template(bench)
    ours: list[float] = []
    bare: list[float] = []
    for number in rounds("generate", 10):
        for template, seconds in ((plain, bare), (bench.template, ours)):
            output = bench.folder / f"generated/{template.name}-{number}"
            config = ("--config-file", bench.oven.config, "--output-dir", output)
            command = (sys.executable, "-m", "cookiecutter", "--no-input", *config, template)
            seconds.append(bench.run(*command, cwd=bench.folder, TMPDIR=str(bench.folder)).seconds)
    ratios = [mine / other for mine, other in zip(ours, bare, strict=True)]
    note = f"seconds: {statistics.median(ours):.2f} and {statistics.median(bare):.2f}"
    return [Result("generation / plain cookiecutter, same files", ratios, goal=1.2, note=note)]


def plain_template(bench: Bench) -> Path:
    """A template of a generated project's files; its delimiters leave `${{ }}` in them alone."""
    folder = make_folder(bench.folder / "plain")
    project = Path(bench.oven.generate(bench.folder / "generated/model", {}, bench.template))
    shutil.copytree(project, folder / "<<cookiecutter.project>>")
    ours = json.loads((bench.template / "cookiecutter.json").read_text(encoding="utf-8"))
    context = {name: ours[name] for name in ("project", "_jinja2_env_vars")}
    (folder / "cookiecutter.json").write_text(json.dumps(context))
    return folder


def validate(bench: Bench) -> list[Result]:
    """The contract on 10 million rows, against the same rules as one raw polars scan."""
    results = []
    for layout, count in (("year", 5), ("month", 3)):
        files = bench.tables() / layout
        number = len(list(files.iterdir()))
        say(f"validate: {count} rounds on {number} files")
        with bench.edited(UNTIL, WHOLE_YEAR):
            output = bench.run("python", "-c", VALIDATE, files, str(count)).output
        pairs: list[list[float]] = [json.loads(line) for line in output.splitlines()]
        ratios = [scan / check for check, scan in pairs]
        ours, bare = [statistics.median(pair[side] for pair in pairs) for side in (0, 1)]
        name = f"validation / raw polars scan, {number} files"
        note = f"seconds: {ours:.2f} and {bare:.2f}"
        results.append(Result(name, ratios, goal=0.85, at_least=True, note=note))
    return results


def memory(bench: Bench) -> list[Result]:
    """Peak memory of two stages as the table grows: rows to the power of the exponent."""
    return [growth(bench, "validate"), growth(bench, "split")]


def growth(bench: Bench, stage: str) -> Result:
    exponents: list[float] = []
    peaks: dict[str, list[float]] = {}
    folders = {f"{size}x": table(bench, size) for size in SIZES}
    folders["10x in one file"] = bench.tables() / "one"
    load = f"from flight_delays import params, {stage}; params.load()"
    with bench.edited(UNTIL, WHOLE_YEAR):
        for _ in rounds(f"memory of {stage}", 2):
            base = bench.run("python", "-c", load).peak_bytes / MIB
            peaks.setdefault("imports", []).append(base)
            for name, folder in folders.items():
                peaks.setdefault(name, []).append(stage_peak(bench, stage, folder))
            first, last = (peaks[f"{size}x"][-1] for size in (SIZES[0], SIZES[-1]))
            exponents.append(math.log(last / first) / math.log(SIZES[-1] / SIZES[0]))
    shown = [f"{name} {statistics.median(values):.0f}" for name, values in peaks.items()]
    title = f"memory of {stage}, 1x to {SIZES[-1]}x rows: exponent"
    return Result(title, exponents, goal=1, note=f"MiB: {', '.join(shown)}")


def table(bench: Bench, size: int) -> Path:
    """A folder with so many times the year, as links to the files of a month."""
    folder = bench.folder / f"tables/{size}x"
    if not folder.exists():
        files = sorted((bench.tables() / "month").iterdir())[: 12 * size]
        make_folder(folder)
        for file in files:
            (folder / file.name).symlink_to(file)
    return folder


def stage_peak(bench: Bench, stage: str, table: Path) -> float:
    """MiB that a stage held at most."""
    output = make_folder(bench.folder / "output")
    more = {"validate": ("valid", "data.json", "violations.md"), "split": ("train", "holdout")}
    paths = (output / name for name in more[stage])
    peak = bench.run("python", "-m", "flight_delays", stage, table, *paths).peak_bytes
    shutil.rmtree(output)
    return peak / MIB


def gate(bench: Bench) -> list[Result]:
    """How often the gate is wrong, on simulated pairs of models whose truth is known."""
    say("gate: judging some 13,000 pairs of models")
    found: dict[str, list[tuple[str, int, int]]] = {}
    for line in bench.run("python", "-c", RATES).output.splitlines():
        name, setting, hits, count = json.loads(line)
        found.setdefault(name, []).append((setting, hits, count))
    return [
        rates("equal models called better", found["better"], goal=2.5),
        rates("a true drop of twice the margin blocked", found["blocked"], goal=95, at_least=True),
        rates("equal models blocked by one of 16 slices", found["slices"], goal=3),
    ]


def share(hits: float, count: int) -> str:
    """A percentage with its standard error."""
    part = hits / count
    return f"{100 * part:.2f} ± {100 * math.sqrt(part * (1 - part) / count):.2f} %"


def rates(
    name: str,
    found: Sequence[tuple[str, float, int]],
    goal: float | None = None,
    at_least: bool = False,
) -> Result:
    """Percentages, one for each setting; the note has them pooled, with their standard error."""
    hits, count = sum(row[1] for row in found), sum(row[2] for row in found)
    parts = [f"{setting} {share(h, n)}" for setting, h, n in found]
    note = "; ".join([f"pooled {hits:,.0f} of {count:,}: {share(hits, count)}", *parts])
    values = [100 * h / n for _, h, n in found]
    return Result(name, values, goal=goal, at_least=at_least, unit=" %", note=note)


def drift(bench: Bench) -> list[Result]:
    """How often drift is called where there is none, and found where there is some."""
    say("drift: judging some 11,000 simulated nights")
    found: dict[str, list[tuple[str, float, int]]] = {}
    for line in bench.run("python", "-c", NIGHTS, "1", "1").output.splitlines():
        name, setting, hits, count = json.loads(line)
        found.setdefault(name, []).append((setting, hits, count))
    seconds = [hits for _, hits, _ in found["seconds"]]
    return [
        rates("drift called in nights without any", found["calm"], goal=1),
        rates("half a standard deviation found", found["found"], goal=95, at_least=True),
        rates("the same where days remember the day before", found["memory"]),
        Result("drift of 300,000 rows, 12 columns", seconds, 3, unit=" s", note="beside imports"),
    ]


def compare(bench: Bench) -> list[Result]:
    """Two prediction files: the time for 100,000 rows, and memory as the rows grow."""
    folder, peaks = bench.folder / "predictions", []
    for rows in (100_000, 1_000_000, 10_000_000):
        bench.run("python", "-c", PREDICTIONS, folder / str(rows), str(rows))
    said = bench.run("python", "-c", SECONDS, folder / "100000").output
    seconds = [float(line.split()[1]) for line in said.splitlines() if line.startswith("seconds")]
    for rows in rounds("compare", 2):
        files = folder / str(10 ** (6 + rows))
        command = ("compare", files / "now.parquet", files / "base.parquet", "--out", files / "out")
        peaks.append(bench.run("python", "-m", "flight_delays", *command))
    shutil.rmtree(folder)
    exponent = math.log10(peaks[1].peak_bytes / peaks[0].peak_bytes)
    note = ", ".join(f"{p.peak_bytes / MIB:,.0f} MiB in {p.seconds:.0f} s" for p in peaks)
    return [
        Result("comparison of 100,000 rows", seconds, goal=0.5, unit=" s", note="beside imports"),
        Result(
            "memory of the comparison, 1 to 10 million rows: exponent", [exponent], 1, note=note
        ),
    ]


SCORE = "python -m flight_delays predict models/model.skops dvc.lock"


def predict(bench: Bench) -> list[Result]:
    """Batch scoring of the year against the model alone, and its memory on ten times the rows."""
    year = sorted((bench.tables() / "year").iterdir())[0]
    folder = make_folder(bench.folder / "scores")
    say("predict: 7 rounds")
    said = bench.run("python", "-c", PREDICT, year, folder, "7").output
    found = [json.loads(line) for line in said.splitlines() if line.startswith("[")]
    ratios = [bare / ours for _, bare, ours in found]
    speeds = [statistics.median(rows / ours for rows, _, ours in found)]
    speeds.append(statistics.median(rows / bare for rows, bare, _ in found))
    note = f"rows per second: {speeds[0]:,.0f} and {speeds[1]:,.0f}"
    peaks = []
    for source in (year, bench.tables() / "one"):
        files = (source, folder / "scores.csv", folder / "log")
        peaks.append(bench.run(*SCORE.split(), *files).peak_bytes / MIB)
    growth = f"MiB: {peaks[0]:,.0f} and {peaks[1]:,.0f}"
    return [
        Result("batch scoring / the model alone", ratios, goal=0.8, at_least=True, note=note),
        Result(
            "memory of batch scoring, 10 times the rows", [peaks[1] / peaks[0]], 10, note=growth
        ),
    ]


MEASUREMENTS: dict[str, Callable[[Bench], list[Result]]] = {
    "cold": cold,
    "nothing": nothing,
    "parameter": parameter,
    "generate": generate,
    "validate": validate,
    "memory": memory,
    "gate": gate,
    "drift": drift,
    "compare": compare,
    "predict": predict,
}


def show(results: list[Result]) -> None:
    """Print the table, and under each line what it is made of."""
    rows = [["", "median", "min..max", "goal", ""], *(result.row() for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    notes = ["", *(result.note for result in results)]
    print()
    for row, note in zip(rows, notes, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
        if note:
            print(f"    {note}")


def save(results: list[Result]) -> None:
    machine = {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }
    entries = [{**asdict(r), "median": r.median, "met": r.met} for r in results]
    text = json.dumps({"machine": machine, "results": entries}, indent=2)
    TARGET.write_text(text + "\n", encoding="utf-8")


def main(names: list[str]) -> int:
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        print(f"bench: no measurement {unknown[0]!r}: take from {', '.join(MEASUREMENTS)}")
        return 2
    begun = time.perf_counter()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder))
        for name in names or MEASUREMENTS:
            results += MEASUREMENTS[name](bench)
    show(results)
    save(results)
    print(f"\n{time.perf_counter() - begun:.0f} seconds; {TARGET.name} has every round")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
