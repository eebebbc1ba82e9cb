"""Write the report: one verdict, the table behind it, and closed sections that say their answer.

It is read from files that the pipeline left and takes nothing from the clock, so equal inputs give
equal bytes but for the commit.
"""

import csv
import hashlib
import io
import json
import math
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml

from .errors import ProjectError
from .params import Params
from .text import (
    NARROW,
    Axis,
    balanced,
    bar,
    bounds,
    code,
    drawing,
    number,
    percent,
    places,
    ruler,
    short,
    span,
    table,
    tag,
    verbatim,
)

LIMIT = 60_000
"""Bytes of a report: a comment on GitHub takes 65,536 characters, CML's own mark among them."""

NAMES = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss ↓",
    "brier": "Brier score ↓",
    "accuracy": "Accuracy",
    "mae": "MAE ↓",
    "rmse": "RMSE ↓",
    "r2": "R²",
}
"""How a metric is called; ↓ where low values are good."""

IN_UNITS = ("mae", "rmse")
"""Metrics in the target's own unit; the others are scores with three decimals."""

WEAKEST, STRONGEST, FEATURES, POINTS, BARS = 20, 5, 20, 12, 20
"""The most rows of each kind that a section shows, points of a chart, and bars of a histogram."""

Row = dict[str, Any]
Bin = tuple[float, float, int]
Read = TypeVar("Read")


class Gain(NamedTuple):
    """By how much the model is better than another one; positive is better in every metric."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def better(self) -> bool:
        return self.low is not None and self.low > 0

    @property
    def worse(self) -> bool:
        return self.high is not None and self.high < 0

    @property
    def word(self) -> str:
        if self.value is None:
            return "undefined"
        return "▲ better" if self.better else "▼ worse" if self.worse else "≈ unclear"

    def over(self, name: str, digits: int) -> str:
        """The gain as part of a sentence."""
        if self.value is None:
            return f"not comparable with {name}"
        if self.better:
            return f"better than {name} by {interval(self, digits)}"
        if self.worse:
            lost = Gain(*(-x if x is not None else None for x in (self.value, self.high, self.low)))
            return f"worse than {name} by {interval(lost, digits)}"
        return f"not clearly better than {name}, {interval(self, digits, sign=True)}"


def interval(gain: Gain, digits: int, sign: bool = False) -> str:
    value = number(gain.value, digits, sign)
    if gain.low is None or gain.high is None:
        return f"{value} (no interval)"
    return f"{value} ({span(gain.low, gain.high, digits, sign)})"


@dataclass(frozen=True)
class Section:
    """A closed part of the report. The title and its answer are HTML, the body is Markdown."""

    title: str
    answer: str
    body: str

    def __str__(self) -> str:
        summary = f"<summary><b>{self.title}</b>: {self.answer}</summary>"
        return f"<details>{summary}\n\n{self.body}\n\n</details>"


@dataclass(frozen=True)
class Facts:
    """All that a report tells."""

    params: Params
    metrics: dict[str, Any]
    data: dict[str, Any]
    system: dict[str, Any] | None
    plots: dict[str, list[Row]]
    lock: dict[str, Any]
    commit: str

    @property
    def headline(self) -> str:
        return self.params.task.metric

    @property
    def held(self) -> int:
        return int(self.metrics["holdout"]["rows"])

    @property
    def confidence(self) -> str:
        return f"{short(100 * self.params.evaluate.confidence)}{NARROW}%{NARROW}interval"

    def measured(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each metric's name and figures, the headline first."""
        yield self.headline, self.metrics[self.headline]
        for name, found in self.metrics.items():
            if name not in ("holdout", self.headline):
                yield name, found


def run(
    params: Params, metrics: Path, data: Path, system: Path, plots: Path, lock: Path, output: Path
) -> None:
    """Write `output` and print its headline.

    Args:
        system: may be absent: a model that comes from the run cache was not measured here.
        plots: the folder of CSV files that `evaluate` writes.

    Raises:
        ProjectError: a file is missing or damaged, or the metrics are not those of the lock.
    """
    facts = Facts(
        params=params,
        metrics=read(metrics, mapping),
        data=read(data, mapping),
        system=read(system, mapping) if system.exists() else None,
        plots={kind: read(plots / f"{kind}.csv", rows) for kind in kinds(params)},
        lock=read(lock, lambda text: keyed(yaml.safe_load(text))),
        commit=commit(lock, output),
    )
    agree(facts, metrics, lock)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(shed(opening(facts), sections(facts), origin(facts)), encoding="utf-8")
    print(f"report: {headline(facts)}; {output}".replace(NARROW, " "))


def kinds(params: Params) -> list[str]:
    common = ["slices", "importance", "calibration"]
    return [*common, "residuals"] if params.task.kind == "regression" else common


def read(path: Path, parse: Callable[[str], Read]) -> Read:
    """One file's content.

    Raises:
        ProjectError: it is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return parse(file.read())
    except FileNotFoundError:
        raise ProjectError(f"{path} is missing: `make repro` makes it") from None
    except (ValueError, yaml.YAMLError, csv.Error):
        raise ProjectError(
            f"{path} is damaged: delete it, then `make repro` makes it anew"
        ) from None


def mapping(text: str) -> dict[str, Any]:
    return keyed(json.loads(text, parse_constant=lambda _: None))  # NaN and the infinities


def keyed(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not a mapping")
    return value


def rows(text: str) -> list[Row]:
    """The rows of a CSV file, numbers as numbers, None where a cell is empty."""
    return [
        {key: convert(key, cell) for key, cell in row.items()}
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]


def convert(column: str | None, cell: str | None) -> str | float | None:
    if column is None or cell is None:
        raise ValueError("a row has more or fewer cells than the heading")
    if column in ("slice", "group", "feature"):
        return cell
    found = float(cell or "nan")
    return found if math.isfinite(found) else None


def agree(facts: Facts, metrics: Path, lock: Path) -> None:
    """Refuse to tell of one model with another's figures.

    Raises:
        ProjectError: the metrics are not those of the lock, or lack the headline metric.
    """
    digest = hashlib.md5(metrics.read_bytes(), usedforsecurity=False).hexdigest()
    if find(facts.lock, "evaluate", "outs", metrics.name)[1] != digest:
        raise ProjectError(f"{metrics} is not what {lock} names: `make repro` brings them together")
    if facts.headline not in facts.metrics:
        raise ProjectError(
            f"{metrics} lacks {facts.headline!r}, which task.metric names: `make repro` measures it"
        )


def find(lock: dict[str, Any], stage: str, side: str, ending: str) -> tuple[str, str]:
    """Path and hash of the one file of a stage whose path ends so; empty where there is none."""
    entries = lock.get("stages", {}).get(stage, {}).get(side, [])
    found = [(e["path"], e.get("md5", "")) for e in entries if e["path"].endswith(ending)]
    return found[0] if found else ("", "")


def commit(lock: Path, output: Path) -> str:
    """The project's commit, and whether files differ from it; the report itself may."""
    folder = lock.resolve().parent
    head = git(folder, "rev-parse", "--short=7", "--verify", "HEAD")
    # A project that is not in git yet may lie inside another repository.
    if not head or not git(folder, "ls-files", "--", "params.yaml"):
        return "not committed yet"
    others = ["."]
    if output.resolve().is_relative_to(folder):
        others.append(f":(exclude,literal){output.resolve().relative_to(folder)}")
    changed = git(folder, "status", "--porcelain", "--untracked-files=no", "--", *others)
    same = not changed and git(folder, "ls-files", "--", lock.name)
    return f"`{head}`" if same else f"`{head}` with uncommitted changes"


def git(folder: Path, *arguments: str) -> str:
    """What git answers; nothing where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def shed(opening: str, sections: list[Section], closing: str, limit: int = LIMIT) -> str:
    """The whole report; where it is too long, sections are left out from the bottom."""
    kept = list(sections)
    while True:
        left = ", ".join(section.title for section in sections[len(kept) :])
        note = f"Left out, to stay under {limit:,} bytes: {left}." if left else ""
        parts = [opening, *map(str, kept), note, closing]
        text = "\n\n".join(part for part in parts if part) + "\n"
        if len(text.encode()) <= limit or not kept:
            return text
        kept.pop()


def title(name: str) -> str:
    """A metric's name in a sentence, without the arrow."""
    return NAMES.get(name, code(name)).removesuffix(" ↓")


def lower(name: str) -> bool:
    return NAMES.get(name, "").endswith("↓")


def gain(found: dict[str, Any], simple: str) -> Gain:
    own = found[simple]
    return Gain(own["gain"], own["gain_low"], own["gain_high"])


def decimals(name: str, found: dict[str, Any]) -> int:
    """Three for a score; else three digits of the value, or two of the gain's interval."""
    if name in NAMES and name not in IN_UNITS:
        return 3
    over = gain(found, "linear")
    half = (over.high - over.low) / 2 if over.low is not None and over.high is not None else None
    return max(places(found["value"]), places(half, 2))


def headline(facts: Facts, bold: str = "") -> str:
    """The headline metric, its interval, and on how many rows it stands."""
    found = facts.metrics[facts.headline]
    digits = decimals(facts.headline, found)
    own = "undefined" if found["value"] is None else number(found["value"], digits)
    text = f"{bold}{title(facts.headline)} {own}{bold}"
    if found["low"] is not None:
        text += f" ({facts.confidence} {span(found['low'], found['high'], digits)})"
    return f"{text} on {facts.held:,} held-out rows"


def opening(facts: Facts) -> str:
    parts = [f"### {verdict(facts)}", reason(facts), comparison(facts), method(facts)]
    return "\n\n".join(parts)


def verdict(facts: Facts) -> str:
    """Whether the model is worth its complexity, in words."""
    found = facts.metrics[facts.headline]
    linear, dummy = gain(found, "linear"), gain(found, "dummy")
    if found["value"] is None:
        return f"⚪ Not judged: {title(facts.headline)} is undefined on these held-out rows"
    if dummy.worse:
        return "⛔ Worse than a constant, which knows nothing of the features"
    if linear.worse:
        return "⛔ Worse than a linear model"
    if not dummy.better:
        return "⚪ Not clearly better than a constant, which knows nothing of the features"
    if not linear.better:
        return "⚪ Not clearly better than a linear model: the simpler one may do"
    return "✅ Better than a linear model"


def reason(facts: Facts) -> str:
    """The headline metric, and what the model gains over the simple ones."""
    task, found = facts.params.task, facts.metrics[facts.headline]
    if found["value"] is None:
        needs = "values that differ" if task.kind == "regression" else "both classes"
        return f"It needs {needs} of {code(task.target)} among the {facts.held:,} held-out rows."
    digits = decimals(facts.headline, found)
    linear = gain(found, "linear").over("a linear model", digits)
    dummy = gain(found, "dummy").over("a constant", digits)
    return f"{headline(facts, '**')}: {linear}; {dummy}."


def comparison(facts: Facts) -> str:
    """The table of all metrics: what the model gains over the linear one, drawn."""
    relative = facts.params.task.kind == "regression"
    gains = {name: gain(found, "linear") for name, found in facts.measured()}
    drawn = {n: scaled(n, facts.metrics[n], g) if relative else g for n, g in gains.items()}
    axis = balanced(end for one in drawn.values() for end in one)
    head = ["Metric", "Result", f"Model<br><sub>{facts.confidence}</sub>", "Linear", "Constant"]
    head.append(f"Gain<br><sub>over{NARROW}linear</sub>")
    head.append(f"{verbatim('worse ◄───│──► better')}<br><sub>{scale(axis, relative)}</sub>")
    lines = [
        [*line(facts, name), drawing(one.low, one.value, one.high, axis)]
        for name, one in drawn.items()
    ]
    return table(head, "llrrrrc", lines)


def scale(axis: Axis, relative: bool) -> str:
    """What the ends of the drawings stand for."""
    factor, unit = (100, f"{NARROW}%") if relative else (1, "")
    ends = [short(factor * end, sign=True) + unit for end in (axis.left, axis.right)]
    return f"{NARROW}to{NARROW}".join(ends)


def line(facts: Facts, name: str) -> list[str]:
    """One metric's cells."""
    found = facts.metrics[name]
    digits, over = decimals(name, found), gain(found, "linear")
    bold = "**" if name == facts.headline else ""
    own, change = number(found["value"], digits), number(over.value, digits, sign=True)
    return [
        f"{bold}{heading(name)}{bold}",
        over.word.replace(" ", NARROW),
        f"{bold}{own}{bold}{under(found['low'], found['high'], digits)}",
        number(found["linear"]["value"], digits),
        number(found["dummy"]["value"], digits),
        f"{change}{under(over.low, over.high, digits, sign=True)}",
    ]


def heading(name: str) -> str:
    """A metric's name in a table, with its arrow."""
    return NAMES.get(name, code(name)).replace(" ↓", f"{NARROW}↓")


def small(low: float | None, high: float | None, digits: int, sign: bool = False) -> str:
    """An interval behind its value; nothing where there is none."""
    if low is None or high is None:
        return ""
    return f" <sub>({span(low, high, digits, sign)})</sub>"


def under(low: float | None, high: float | None, digits: int, sign: bool = False) -> str:
    """As `small`, on a line of its own: so the table fits into a comment."""
    return small(low, high, digits, sign).replace(" <sub>", "<br><sub>")


def scaled(name: str, found: dict[str, Any], gain: Gain) -> Gain:
    """The gain as a share of the linear model's error, so that units compare.

    The error behind R² is the share of the variance that is left unexplained.
    """
    linear = found["linear"]["value"]
    error = None if linear is None else 1 - linear if name == "r2" else abs(linear)
    return Gain(*(end / error if error and end is not None else None for end in gain))


def method(facts: Facts) -> str:
    """What the table's words and drawings mean, in small print."""
    text = "Linear and constant: the simple models that were trained beside it. "
    text += f"In brackets: {facts.confidence}s. "
    text += "A gain is positive where the model is better, and is taken before rounding. "
    text += "▲ and ▼ only where its interval leaves out 0. ↓: low values are good. "
    if facts.params.task.kind == "regression":
        text += "The drawing shows the gain as a share of the linear model's error"
        text += " (behind R²: of the variance that it leaves unexplained). "
    return f"<sub>{text}{independence(facts)}</sub>"


def independence(facts: Facts) -> str:
    """What the intervals stand on."""
    cluster, held = facts.params.task.cluster, facts.metrics["holdout"]
    if cluster is None:
        return (
            "Rows are treated as independent: if they come in groups, the intervals are too narrow "
            "(`task.cluster` in `params.yaml` names the group)."
        )
    if facts.metrics[facts.headline]["low"] is None:
        return f"There are no intervals: the held-out rows form {clusters(facts)}."
    few = " So few make an interval a rough guess." if held["effective_clusters"] < 10 else ""
    worth = number(held["effective_clusters"], 1)
    return f"Intervals stand on {clusters(facts)}, worth {worth} of equal size.{few}"


def clusters(facts: Facts) -> str:
    count = facts.metrics["holdout"]["clusters"]
    many = "" if count == 1 else "s"
    return f"{count:,} cluster{many} of {code(facts.params.task.cluster or '')}"


def sections(facts: Facts) -> list[Section]:
    """All sections, the most wanted first."""
    found = [slices(facts), features(facts), data(facts), cost(facts)]
    found += [residuals(facts), calibration(facts), provenance(facts)]
    return [section for section in found if section is not None]


def slices(facts: Facts) -> Section | None:
    """The headline metric in each group, the weakest first."""
    if not facts.params.evaluate.slices:
        return None
    found = [row for row in facts.plots["slices"] if row["value"] is not None]
    found.sort(key=lambda row: row["value"], reverse=lower(facts.headline))
    if not found:
        return Section("Slices", "none can be judged", unjudged(facts))
    shown, hidden = shorten(found)
    parts = [slice_table(facts, shown), hidden, unjudged(facts)]
    return Section("Slices", extremes(facts, found), "\n\n".join(filter(None, parts)))


def extremes(facts: Facts, found: list[Row]) -> str:
    """The weakest and the strongest slice, in HTML."""
    digits = decimals(facts.headline, facts.metrics[facts.headline])
    ends = [f"{tag(row['group'])} {number(row['value'], digits)}" for row in (found[0], found[-1])]
    if len(found) == 1:
        return f"1; {ends[0]}"
    return f"{len(found):,}; weakest {ends[0]}, strongest {ends[1]}"


def shorten(found: list[Row]) -> tuple[list[Row], str]:
    """The weakest and the strongest slices, and a line that counts those between."""
    hidden = len(found) - WEAKEST - STRONGEST
    if hidden <= 0:
        return found, ""
    note = f"{hidden:,} slices between these are not shown; `slices.csv` has them all."
    return [*found[:WEAKEST], *found[-STRONGEST:]], note


def slice_table(facts: Facts, shown: list[Row]) -> str:
    name, whole = facts.headline, facts.metrics[facts.headline]
    digits, axis = decimals(name, whole), slice_axis(facts, shown)
    head = [
        "Slice",
        "Rows",
        "Clusters",
        f"{heading(name)}<br><sub>{facts.confidence}</sub>",
    ]
    head.append(f"{ruler(axis)}<br><sub>better ►, │ all rows</sub>")
    lines = [
        [
            f"{code(row['group'])} <sub>{code(row['slice'])}</sub>",
            f"{row['rows']:,.0f}",
            f"{row['clusters']:,.0f}",
            f"{number(row['value'], digits)}{small(row['low'], row['high'], digits)}",
            drawing(row["low"], row["value"], row["high"], axis),
        ]
        for row in shown
    ]
    if facts.params.task.cluster is None:
        head.pop(2)
        lines = [[*cells[:2], *cells[3:]] for cells in lines]
    return table(head, "l" + "r" * (len(head) - 2) + "c", lines)


def slice_axis(facts: Facts, shown: list[Row]) -> Axis:
    """Better on the right, whatever the metric's direction; the mark is all held-out rows."""
    whole = facts.metrics[facts.headline]["value"]
    low, high = bounds([whole, *(row[key] for row in shown for key in ("low", "value", "high"))])
    left, right = (high, low) if lower(facts.headline) else (low, high)
    return Axis(left, right, left if whole is None else whole)


def unjudged(facts: Facts) -> str:
    """How many rows are in slices that are too small to be judged."""
    text = f"Slices under {facts.params.evaluate.min_slice_rows:,} rows are not judged"
    left = dict.fromkeys(facts.params.evaluate.slices, facts.held)
    for row in facts.plots["slices"]:
        left[row["slice"]] = left.get(row["slice"], 0) - int(row["rows"])
    few = ", ".join(f"{count:,} rows by {code(name)}" for name, count in left.items() if count > 0)
    text += f": {few}." if few else ": there are none."
    blank = [code(row["group"]) for row in facts.plots["slices"] if row["value"] is None]
    if blank:
        more = f" and {len(blank) - STRONGEST:,} more" if len(blank) > STRONGEST else ""
        text += f" {title(facts.headline)} is undefined in {', '.join(blank[:STRONGEST])}{more}."
    return f"<sub>{text} Intervals are not widened for the number of slices.</sub>"


def features(facts: Facts) -> Section | None:
    """Permutation importance, as bars."""
    known = [row for row in facts.plots["importance"] if row["loss"] is not None]
    found = sorted(known, key=lambda row: -row["loss"])
    if not found:
        return None
    idle = sum(row["loss"] <= row["spread"] for row in found)
    answer = f"{tag(found[0]['feature'])} counts most of {len(found):,}"
    answer += f"; {idle:,} without a clear effect" if idle else ""
    most, name = max(found[0]["loss"], 0) or 1, title(facts.headline)
    digits = places(most) if facts.headline in IN_UNITS else 3
    head = ["Feature", f"{name} lost when shuffled", "Loss"]
    if lower(facts.headline):
        head[1:] = [f"{name} added when shuffled", "Rise"]
    lines = [
        [code(row["feature"]), bar(row["loss"] / most), spread(row, digits)]
        for row in found[:FEATURES]
    ]
    parts = [table(head, "llr", lines), others(found, digits), importance_note(facts)]
    return Section("Features", answer, "\n\n".join(filter(None, parts)))


def spread(row: Row, digits: int) -> str:
    deviation = number(row["spread"], digits)
    return f"{number(row['loss'], digits)} <sub>±{NARROW}{deviation}</sub>"


def others(found: list[Row], digits: int) -> str:
    rest = found[FEATURES:]
    return f"The other {len(rest)}: at most {number(rest[0]['loss'], digits)}." if rest else ""


def importance_note(facts: Facts) -> str:
    options = facts.params.train
    count = min(options.importance_rows, facts.held)
    text = f"Mean ± standard deviation of {options.importance_repeats} shuffles of each feature on "
    text += f"{count:,} held-out rows. A feature whose twin stays unshuffled looks idle."
    return f"<sub>{text}</sub>"


def data(facts: Facts) -> Section:
    """What the model was trained and judged on."""
    trained = facts.data["rows"] - facts.held
    groups = f" in {clusters(facts)}" if facts.params.task.cluster else ""
    lines = [
        ["Rows that keep the contract", f"{facts.data['rows']:,}"],
        ["Rows to train on", f"{trained:,}"],
        ["Held-out rows", f"{facts.held:,}{groups}: {side(facts)}"],
        ["Columns", f"{facts.data['columns']:,}"],
        ["Files", f"{facts.data['files']:,}"],
    ]
    if facts.params.ingest.until:
        lines.append(["Declared to reach until", f"{facts.params.ingest.until}"])
    answer = f"{trained:,} rows to train on, {facts.held:,} held out"
    return Section("Data", answer, table(["Data", "Value"], "ll", lines))


def side(facts: Facts) -> str:
    """Which rows are held out, by the rule of `split`."""
    split, until = facts.params.split, facts.params.ingest.until
    if until:
        first = until - timedelta(weeks=split.holdout_weeks) + timedelta(days=1)
        return f"the last {split.holdout_weeks} weeks, {first} to {until}"
    group = code(split.group or facts.params.task.key)
    return f"{percent(split.holdout_share)} by a stable hash of {group}"


def cost(facts: Facts) -> Section:
    """Time, memory and size. They differ between equal runs, so they may be another machine's."""
    if facts.system is None:
        text = (
            "The model came out of the run cache or the store, and was not trained on this machine."
        )
        return Section("Cost", "not measured here", text)
    found = facts.system
    figures = {
        "Training": seconds(found["fit_seconds"]),
        "Training, with the simple models and the measurements": seconds(found["train_seconds"]),
        "Peak memory": size(found["peak_memory_bytes"]),
        "GPU": gpu(found["gpu"]),
        "Model file": size(found["model_bytes"]),
        "Prediction, one row, median": f"{milliseconds(found['latency_median_ms'])}",
        "Prediction, one row, 95th percentile": f"{milliseconds(found['latency_p95_ms'])}",
        "Prediction, all held-out rows": f"{found['batch_rows_per_second']:,} rows a second",
    }
    body = table(["Cost", "Value"], "lr", [[name, text] for name, text in figures.items()])
    if found.get("model") != find(facts.lock, "train", "outs", ".skops")[1]:
        note = "These figures are another model's: this one came out of the run cache or the store."
        return Section("Cost", "not measured here; another model's figures", f"{note}\n\n{body}")
    answer = f"{figures['Training']} to train, {figures['Peak memory']}, "
    answer += f"{figures['Prediction, one row, median']} for one prediction"
    return Section("Cost", answer, body)


def seconds(value: float) -> str:
    return f"{number(value, places(value, 2))}{NARROW}s"


def milliseconds(value: float) -> str:
    return f"{number(value, places(value, 2))}{NARROW}ms"


def size(count: int) -> str:
    return f"{number(count / 1e6, places(count / 1e6, 2))}{NARROW}MB"


def gpu(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not used"
    used = f"{number(found['utilization_percent'], 0)}{NARROW}% used"
    return f"{code(found['name'])}, {used}, {found['peak_memory_mib']:,}{NARROW}MiB"


def residuals(facts: Facts) -> Section | None:
    """The histogram of truth less prediction."""
    found = facts.plots.get("residuals", [])
    if len(found) < 2:
        return None
    width = found[1]["residual"] - found[0]["residual"]
    middles = [(row["residual"], int(row["rows"])) for row in found]
    bins = merge([(m - width / 2, m + width / 2, count) for m, count in middles])
    digits = places(max(abs(bins[0][0]), abs(bins[-1][1])))
    most = max(count for *_, count in bins)
    lines = [[span(a, b, digits), bar(count / most), f"{count:,}"] for a, b, count in bins]
    low, high = (number(end, digits, sign=True) for end in central(bins))
    note = "<sub>Truth less prediction: above 0 the model predicted too little. The first and the "
    note += "last bar also hold the 1 % of the rows that lie beyond them.</sub>"
    body = table(["Truth − prediction", "Held-out rows", "Rows"], "rlr", lines)
    return Section("Residuals", f"at least 9 in 10 from {low} to {high}", f"{body}\n\n{note}")


def merge(bins: list[Bin]) -> list[Bin]:
    """Neighbours together, until there are few enough bars."""
    size = -(-len(bins) // BARS)
    groups = [bins[start : start + size] for start in range(0, len(bins), size)]
    return [(group[0][0], group[-1][1], sum(count for *_, count in group)) for group in groups]


def central(bins: list[Bin]) -> tuple[float, float]:
    """Where the bins end that are left when at most 5 % of the rows are cut off at either side."""
    return trim(bins)[0], trim(bins[::-1])[1]


def trim(bins: list[Bin]) -> Bin:
    """The first bin up to whose end more than 5 % of the rows lie."""
    total, seen = sum(count for *_, count in bins), 0
    for one in bins:
        seen += one[2]
        if seen > total / 20:
            break
    return one


CHART = """```mermaid
---
config:
  xyChart:
    width: 800
    height: 300
  themeVariables:
    xyChart:
      backgroundColor: "transparent"
      titleColor: "#6e7781"
      xAxisLabelColor: "#6e7781"
      xAxisTitleColor: "#6e7781"
      xAxisTickColor: "#6e7781"
      xAxisLineColor: "#6e7781"
      yAxisLabelColor: "#6e7781"
      yAxisTitleColor: "#6e7781"
      yAxisTickColor: "#6e7781"
      yAxisLineColor: "#6e7781"
      plotColorPalette: "#2f81f7, #8c959f, #bc4c00"
---
xychart-beta
  x-axis "{x}" [{categories}]
  y-axis "{y}" {low} --> {high}
{lines}
```"""
"""Colours with a contrast of 3 on white and on GitHub's dark ground; bars would start below 0."""


def calibration(facts: Facts) -> Section | None:
    """What was predicted on average against what happened, in bins of equally many rows."""
    found = facts.plots["calibration"]
    if not found:
        return None
    share = facts.params.task.kind == "binary"
    factor = 100 if share else 1
    points = [(factor * row["predicted"], factor * row["observed"]) for row in thin(found)]
    note = (
        "Blue: observed. Grey: perfect. Where blue is above grey, the model predicted too little."
    )
    return Section("Calibration", averages(found, share), f"{note}\n\n{chart(points, share)}")


def averages(found: list[Row], share: bool) -> str:
    """The mean prediction and the mean truth, over all bins."""
    total = sum(row["rows"] for row in found)
    means = [sum(row[k] * row["rows"] for row in found) / total for k in ("predicted", "observed")]
    most = max(map(abs, means))
    if share:
        texts = [percent(mean, max(places(100 * most), 1)) for mean in means]
    else:
        texts = [number(mean, places(most)) for mean in means]
    return f"{texts[0]} predicted on average, {texts[1]} observed"


def thin(found: list[Any]) -> list[Any]:
    """Evenly chosen points, so that the labels have room."""
    if len(found) <= POINTS:
        return found
    return [found[round(i * (len(found) - 1) / (POINTS - 1))] for i in range(POINTS)]


def chart(points: list[tuple[float, float]], share: bool) -> str:
    """Observed over predicted, as a Mermaid chart."""
    low, high = bounds([end for point in points for end in point] + ([0.0] if share else []))
    unit = ", %" if share else ""
    observed, perfect = (", ".join(plain(point[i]) for point in points) for i in (1, 0))
    return CHART.format(
        x=f"Mean prediction{unit}, in bins of equally many rows",
        y=f"Observed mean{unit}",
        categories=", ".join(f'"{label}"' for label in labels([p[0] for p in points])),
        low=plain(low),
        high=plain(high),
        lines=f'  line "observed" [{observed}]\n  line "perfect" [{perfect}]',
    )


def plain(value: float) -> str:
    """A number as Mermaid reads it: no exponent, no comma."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def labels(values: list[float]) -> list[str]:
    """Each value with the fewest digits that tell them apart: equal labels would fall together."""
    for digits in range(7):
        found = [number(value, digits) for value in values]
        if len(set(found)) == len(found):
            return found
    return [f"bin {i}" for i in range(1, len(values) + 1)]


def provenance(facts: Facts) -> Section:
    """Where each part comes from, by the hashes of `dvc.lock`."""
    task, options = facts.params.task, facts.params.train
    estimator = options.estimator.rpartition(".")[2]
    what = f"{code(estimator)} predicts {code(task.target)} from {len(task.features)} features"
    lines = [["Commit", facts.commit], ["Estimator", what], ["Parameters", "`params.yaml`"]]
    for name, (path, digest) in inputs(facts.lock).items():
        lines.append([name, f"{code(path)} {code(digest[:8])}" if path else "not in dvc.lock"])
    answer = f"{facts.commit.replace('`', '')}, {tag(estimator)}"
    note = "<sub>Hashes are the first eight digits of the MD5 in `dvc.lock`.</sub>"
    return Section("Provenance", answer, f"{table(['Origin', 'Value'], 'll', lines)}\n\n{note}")


def inputs(lock: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        "Model": find(lock, "train", "outs", ".skops"),
        "Training data": find(lock, "split", "outs", "train"),
        "Held-out data": find(lock, "split", "outs", "holdout"),
        "Environment": find(lock, "train", "deps", ".lock"),
    }


def origin(facts: Facts) -> str:
    """The report's last line."""
    hashes = [
        f"{name.lower()} {code(md5[:8])}" for name, (_, md5) in inputs(facts.lock).items() if md5
    ]
    return f"<sub>{' · '.join([facts.commit, *hashes])}</sub>"
