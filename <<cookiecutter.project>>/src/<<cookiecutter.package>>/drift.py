"""Do new rows differ from those that the model was trained on, by more than days differ anyway?

Two tables in, one dictionary out. Whole days (the declared clusters) change places, not rows, and
the p of each column holds for all columns together: `permutation` has the method. A column that
moves with every season is held against what it did in earlier windows.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl

from . import bins, clusters, permutation, quality
from .bins import Coded, Sides
from .clusters import Grouped
from .errors import ProjectError
from .params import Drift, Params, Task
from .permutation import Counts, Floats, Ints, Judged

ROLES = ("feature", "target", "prediction", "quality")
SCORED = ("prediction", "quality")
SCORE = "score"
"""The column of predictions."""


@dataclass(frozen=True)
class Case:
    """Two tables, ready to be compared.

    Args:
        strata: of each cluster, the reference's first; those of one stratum change places.
        reason: why nothing can be judged; None where it can.
        name: of the older table, for sentences.
    """

    old: Grouped
    new: Grouped
    cluster: str | None
    roles: Mapping[str, str]
    rules: Drift
    strata: Ints
    reason: str | None
    name: str = "REFERENCE"

    @cached_property
    def sides(self) -> Sides:
        code = np.concatenate([self.old.code, self.new.code + self.old.count])
        first = self.old.count
        return Sides(code, self.old.rows.height, first, first + self.new.count)


class Test(NamedTuple):
    """What is tested of a column: its values, or whether they are missing."""

    column: str
    part: str


@dataclass(frozen=True)
class Suite:
    """All tests of all columns; `counts` and `moved` have the shape (clusters, tests, bins)."""

    tests: list[Test]
    counts: Counts
    moved: Counts


@dataclass(frozen=True)
class Past:
    """What was found between earlier windows: the effects, shape (windows, tests)."""

    effects: Floats
    usable: bool

    def facts(self) -> dict[str, Any]:
        return {"windows": len(self.effects), "usable": self.usable}


@dataclass(frozen=True)
class Family:
    """Columns that are judged together, against one older table.

    Args:
        compared: those that could be put into bins.
    """

    case: Case
    columns: dict[str, dict[str, Any]]
    compared: list[str]
    past: Past
    warnings: list[str]


def run(
    params: Params,
    reference: Path,
    current: Path,
    cluster: str | None,
    newest: str | None,
    out: Path,
    report: Path | None,
) -> None:
    """Compare two Parquet files, or folders of them, and write the result as JSON.

    Args:
        cluster: the column that names a row's cluster; without it task.cluster of params.yaml,
            and rows are independent where neither table has that.
        newest: of CURRENT, only so many of the last clusters are judged.
        out: JSON; equal tables give equal bytes.
        report: the same as Markdown.

    Raises:
        ProjectError: a file cannot be read, or has no such column.
    """
    from .reporting.drift import page, verdict
    from .schema import SCHEMA

    old, new, cluster = tables(params, reference, current, cluster, newest)
    roles = roles_of(params.task, [*old.columns, *new.columns], cluster)
    found = drift(old, new, cluster=cluster, roles=roles, rules=params.drift, schema=SCHEMA)
    write(found, out)
    if report:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(page(found), encoding="utf-8")
    print(f"drift: {verdict(found)}")


def tables(
    params: Params, reference: Path, current: Path, cluster: str | None, newest: str | None
) -> tuple[pl.DataFrame, pl.DataFrame, str | None]:
    """Both tables, and the column of their clusters.

    Raises:
        ProjectError: as `run`.
    """
    old, new = read("REFERENCE", reference), read("CURRENT", current)
    if cluster is None and params.task.cluster in {*old.columns, *new.columns}:
        cluster = params.task.cluster
    if newest is not None:
        new = last("CURRENT", new, cluster, newest)
    return old, new, cluster


def read(name: str, path: Path) -> pl.DataFrame:
    """A Parquet file, or all of a folder.

    Raises:
        ProjectError: there is none, or it cannot be read.
    """
    try:
        files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        if not files:
            raise FileNotFoundError("the folder has no .parquet file")
        return pl.concat([pl.read_parquet(f, glob=False) for f in files], how="vertical_relaxed")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ProjectError(
            f"{name} is {str(path)!r}, which cannot be read as Parquet ({reason}): name a file, or "
            "a folder of files with the same columns"
        ) from None


def last(name: str, table: pl.DataFrame, cluster: str | None, newest: str) -> pl.DataFrame:
    """The rows of the last clusters.

    Raises:
        ProjectError: there are no clusters, or `newest` is no number of them.
    """
    if not newest.isdecimal() or not int(newest):
        raise ProjectError(f"--newest is {newest!r}: name a number of clusters, such as 28")
    if cluster is None:
        raise ProjectError("--newest needs clusters: name their column with --cluster")
    clusters.require(name, table, cluster)
    return table.filter(pl.col(cluster).rank("dense", descending=True) <= int(newest))


def roles_of(task: Task, columns: Sequence[str], cluster: str | None) -> dict[str, str]:
    """The role of each column that is tested: the key, the time and the cluster are not.

    What params.yaml does not name is a feature.
    """
    named = {task.target: "target", SCORE: "prediction"}
    without = {cluster, task.cluster, task.key, task.time} - set(named)
    return {name: named.get(name, "feature") for name in columns if name not in without}


def write(found: dict[str, Any], path: Path) -> None:
    """Write the file when it is complete, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    text = json.dumps(found, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, path)


def drift(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    cluster: str | None,
    roles: Mapping[str, str],
    rules: Drift,
    unseen: pl.DataFrame | None = None,
    history: Sequence[pl.DataFrame] | None = None,
    schema: Any = None,
    today: date | None = None,
) -> dict[str, Any]:
    """Whether CURRENT differs from REFERENCE, column by column; equal tables give equal results.

    Args:
        reference: the rows that the model was trained on.
        current: the newer rows.
        cluster: the column that names a row's cluster, in its order of time; timestamps count by
            their day. None: rows are taken as independent, and the result says so.
        roles: of each column that is tested: feature, target, prediction or quality. Missing
            values of a target are labels that are not there yet: they are left out. Where both
            tables have a target and a prediction, the error of each row is tested too, as a
            column of the role quality.
        rules: the section `drift` of params.yaml. Columns of `rules.calendar` are not tested;
            clusters change places only with clusters of the same values in them.
        unseen: rows that the model was judged on, not trained on, with its scores. Predictions
            and their errors are held against these, as a model scores the rows that it learned
            from like no others: flights of other days of the same year alarmed in 7 of 7 trials
            of a random forest against its training rows, in none against unseen ones. How far
            the scores of REFERENCE, if it has any, moved between its windows is their history.
            Each of the two comparisons has half of `rules.alarm`, and each p is doubled.
        history: earlier windows of CURRENT's size, the oldest first. None: the reference is cut
            into windows of as many clusters as CURRENT has.
        schema: a contract of pandera; rows of CURRENT that break it are counted for each column.
        today: the day on which CURRENT's age is told.

    Returns:
        alarm: a judged column has a family-wise p of at most `rules.alarm`.
        new: a column is also beyond its own history; None while there are fewer than
            `rules.windows` earlier windows.
        judged, reason: False and why, where there are too few clusters; then nothing is an alarm,
            and no p is given.
        columns: for each column `role`, `kind`, `judged`, `reason`, `alarm`, `new`, and
            `distance`: sqrt(sum((p - q)^2 / pooled)) of its bins; `p`: family-wise; `limit`: the
            distance from which it would alarm; `effect`: the distance beyond what clusters alone
            give (half a standard deviation is about 0.5); `part`: values or missing, whichever is
            less likely; `change`: the same in the column's own units; `history`: how many
            earlier windows, and the largest effect in them; `power`: how likely a shift of half a
            standard deviation would be found; `icc`: the share of its variance between clusters;
            `inflation`: of the variance, by autocorrelation; `shape`: both distributions;
            `levels`: values that are not in the reference; `outside`: rows outside the contract.
        roles: for each role how many columns it has, and whether they are an alarm or new; or the
            reason why there are none.
        data: `volume`, `freshness`, `repeated`: see `quality`.
        rows, clusters, sampled, history, method, warnings: what the result rests on.

    Raises:
        ProjectError: a table lacks the cluster column.
    """
    given = {"REFERENCE": reference, "CURRENT": current}
    given |= {} if unseen is None else {"UNSEEN": unseen}
    heights = {name.lower(): table.height for name, table in given.items()}
    if cluster is not None:
        for name, table in given.items():
            clusters.require(name, table, cluster)
    old, new, every, absent = with_errors(reference, current, roles)
    if unseen is None:
        families = [family(old, new, cluster, every, rules, history, schema)]
    else:
        seen, each = old, msgspec.structs.replace(rules, alarm=rules.alarm / 2)
        old, new, every, absent = with_errors(unseen, current, roles, "UNSEEN")
        own = {name: role for name, role in every.items() if role in SCORED}
        inputs = {name: role for name, role in every.items() if role not in SCORED}
        families = [family(seen, new, cluster, inputs, each, history, schema)]
        past = windows(families[0].case) if {*own} <= {*seen.columns} else None
        families.append(family(old, new, cluster, own, each, past, None, "UNSEEN"))
        for column in (column for one in families for column in one.columns.values()):
            column["p"] = None if column["p"] is None else min(2 * column["p"], 1.0)
    plain: dict[str, Any] = rounded(together(families, absent, heights, rules, today))
    return plain


def family(
    old: pl.DataFrame,
    new: pl.DataFrame,
    cluster: str | None,
    roles: Mapping[str, str],
    rules: Drift,
    history: Sequence[pl.DataFrame] | None,
    schema: Any,
    name: str = "REFERENCE",
) -> Family:
    """Judge these columns."""
    case, warnings = prepare(old, new, cluster, roles, rules, name)
    coded, reasons = code(case)
    columns = {
        column: {"role": role, **UNJUDGED, "reason": case.reason or reasons.get(column)}
        for column, role in roles.items()
    }
    broken = contract(case, schema)
    for column, one in coded.items():
        columns[column] |= described(one) | {"outside": broken.get(column)}
    past = test(case, coded, columns, history)
    return Family(case, columns, list(coded), past, warnings)


def windows(case: Case) -> list[pl.DataFrame]:
    """The reference, cut into windows of as many clusters as the batch has."""
    of = case.old.windows(max(case.new.count, 1))
    return [case.old.rows.filter(of[case.old.code] == w) for w in range(of.max(initial=-1) + 1)]


def together(
    families: Sequence[Family],
    absent: Mapping[str, str],
    heights: dict[str, int],
    rules: Drift,
    today: date | None,
) -> dict[str, Any]:
    """The result of all families; what it rests on is told of the first."""
    first, case = families[0], families[0].case
    columns = {name: column for one in families for name, column in one.columns.items()}
    judged = [column for column in columns.values() if column["judged"]]
    usable = any(one.past.usable for one in families)
    return {
        "alarm": any(column["alarm"] for column in judged),
        "new": any(column["new"] for column in judged) if usable else None,
        "judged": bool(judged),
        "reason": None if judged else case.reason or "no column can be compared",
        "columns": columns,
        "roles": by_role(columns, absent),
        "data": data(case, first.compared, today),
        "rows": heights,
        "clusters": counted(families),
        "sampled": sampled(families),
        "history": first.past.facts(),
        "method": method(rules, case.cluster),
        "warnings": list(dict.fromkeys(said for one in families for said in one.warnings)),
    }


UNJUDGED: dict[str, Any] = {
    **dict.fromkeys(("kind", "distance", "p", "limit", "effect", "part", "change", "power")),
    **dict.fromkeys(("icc", "inflation", "shape", "levels", "outside", "new")),
    **{"judged": False, "alarm": False, "history": {"windows": 0, "largest": None}},
}


def with_errors(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    roles: Mapping[str, str],
    older: str = "REFERENCE",
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, str], dict[str, str]]:
    """The tables with the error of each prediction, the roles, and why there are no errors."""
    one = {role: [name for name, its in roles.items() if its == role] for role in ROLES}
    if one["quality"] or len(one["target"]) != 1 or len(one["prediction"]) != 1:
        return reference, current, dict(roles), {"quality": "it needs a target and a prediction"}
    target, score = one["target"][0], one["prediction"][0]
    name = f"error of {score}"
    while name in roles:
        name += "'"
    tables, absent = [], {}
    for side, table in ((older, reference), ("CURRENT", current)):
        if lacks := [column for column in (target, score) if column not in table.columns]:
            absent["quality"] = f"{side} has no column {lacks[0]!r}"
        elif not all(
            table[c].dtype.is_numeric()
            or table[c].dtype == pl.Boolean
            or table[c].dtype.is_nested()
            for c in (target, score)
        ):
            absent["quality"] = "target and prediction are not both numbers"
        tables.append(table)
    if not absent:
        tables = [table.with_columns(error(table, target, score).alias(name)) for table in tables]
        roles = {**roles, name: "quality"}
    old, new = (chosen(table, score) for table in tables)
    return old, new, dict(roles), absent


def error(table: pl.DataFrame, target: str, score: str) -> pl.Expr:
    """How far a prediction is from the truth; of classes, the chance that the true one lacked."""
    truth = pl.col(target).cast(pl.Float64)
    if table[score].dtype.is_nested():
        return 1 - listed(table, score).list.get(truth.cast(pl.Int64), null_on_oob=True)
    return (truth - pl.col(score).cast(pl.Float64)).abs()


def listed(table: pl.DataFrame, score: str) -> pl.Expr:
    array = isinstance(table[score].dtype, pl.Array)
    return pl.col(score).arr.to_list() if array else pl.col(score)


def chosen(table: pl.DataFrame, score: str) -> pl.DataFrame:
    """Chances of several classes become the class with the largest."""
    if score not in table.columns or not isinstance(table[score].dtype, (pl.List, pl.Array)):
        return table
    return table.with_columns(listed(table, score).list.arg_max().cast(pl.String).alias(score))


def prepare(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    cluster: str | None,
    roles: Mapping[str, str],
    rules: Drift,
    name: str,
) -> tuple[Case, list[str]]:
    """The tables by cluster, what changes places, and what is to be said about that."""
    old, new = clusters.pair(reference, current, cluster, rules.rows, rules.seed)
    strata, warnings = by_calendar([old, new], rules)
    reason = too_few(old, new, strata, cluster, rules, name)
    case = Case(old, new, cluster, roles, rules, strata, reason, name)
    return case, [*warnings, *remarks(case)]


def by_calendar(sides: Sequence[Grouped], rules: Drift) -> tuple[Ints, list[str]]:
    """The stratum of each cluster: its values in the columns that the calendar decides."""
    strata = np.zeros(sum(side.count for side in sides), np.intp)
    warnings = []
    for name in rules.calendar:
        having = [name in side.rows.columns for side in sides]
        if not any(having):
            warnings.append(f"drift.calendar names {name!r}, which no table has")
        if not all(having) or any(side.names is None for side in sides):
            continue
        values = [calendar_values(side, name) for side in sides]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            warnings.append(f"{name!r} of drift.calendar differs within a cluster: it is left out")
            continue
        joint = pl.DataFrame({"before": strata, "value": pl.concat(known)})
        strata = joint.select(pl.struct("before", "value").rank("dense")).to_series().to_numpy()
    return strata.astype(np.intp), warnings


def calendar_values(side: Grouped, name: str) -> pl.Series | None:
    """The value of each cluster as text; None where its rows differ."""
    by = pl.DataFrame({"code": side.code, "value": side.rows[name].cast(pl.String)})
    found = by.group_by("code").agg(pl.col("value").first(), pl.col("value").n_unique().alias("n"))
    if (found["n"] > 1).any():
        return None
    return found.sort("code")["value"].fill_null("")


def too_few(
    old: Grouped, new: Grouped, strata: Ints, cluster: str | None, rules: Drift, older: str
) -> str | None:
    """Why so few clusters cannot be judged, in one sentence."""
    what = f"values of {cluster!r}" if cluster else "groups of rows"
    sides = ((older, old, rules.min_reference), ("CURRENT", new, rules.min_current))
    for name, side, least in sides:
        if not side.whole[0]:
            return f"{name} has no rows"
        if side.count < least:
            return (
                f"{name} has {side.count:,} {what}, and {least:,} are needed to tell drift from "
                "what they differ by anyway"
            )
    if permutation.smallest(strata, new.count) > rules.alarm:
        return f"too few {what} can change places: no p could be as small as {rules.alarm:g}"
    return None


def remarks(case: Case) -> list[str]:
    """What a reader must know about the clusters."""
    said = []
    if case.cluster is None:
        said.append("no cluster is declared: rows are taken as independent")
    for name, side in ((case.name, case.old), ("CURRENT", case.new)):
        if side.unnamed:
            said.append(f"{side.unnamed:,} rows of {name} have no cluster and are left out")
        if side.sampled:
            said.append(
                f"of {name} {side.count:,} of {side.whole[1]:,} clusters were drawn, "
                f"{side.rows.height:,} of {side.whole[0]:,} rows"
            )
    if not case.sides.even.all():
        said.append("clusters of one table have fewer rows: as few were drawn from the other's")
    return said


def code(case: Case) -> tuple[dict[str, Coded], dict[str, str]]:
    """Each column that can be compared, in bins; and why the others cannot."""
    coded, reasons = {}, {}
    sides = case.sides
    for name, role in case.roles.items():
        reason = incomparable(case, name)
        if reason is None:
            old, new = case.old.rows[name], case.new.rows[name]
            coded[name] = bins.code(old, new, sides, labels=role in ("target", "quality"))
        else:
            reasons[name] = reason
    return coded, reasons


def incomparable(case: Case, name: str) -> str | None:
    """Why a column cannot be compared; None where it can."""
    if name in case.rules.calendar:
        return "it follows the calendar"
    tables = ((case.name, case.old.rows), ("CURRENT", case.new.rows))
    for side, table in tables:
        if name not in table.columns:
            return f"{side} has no such column"
    columns = [table[name] for _, table in tables]
    if reason := bins.judgeable(*columns):
        return reason
    if all(column.null_count() == len(column) for column in columns):
        return "all its values are missing"
    if case.roles[name] in ("target", "quality"):
        for (side, _), column in zip(tables, columns, strict=True):
            if column.null_count() == len(column):
                return f"{side} has no labels yet"
        labelled = len(np.unique(case.new.code[columns[1].is_not_null().to_numpy()]))
        if case.reason is None and labelled < case.rules.min_current:
            return f"CURRENT has labels in {labelled:,} of {case.new.count:,} clusters"
    return None


def contract(case: Case, schema: Any) -> dict[str, int]:
    if schema is None:
        return {}
    rows = case.new.rows
    return quality.outside(rows.select(n for n in case.roles if n in rows.columns), schema)


def described(one: Coded) -> dict[str, Any]:
    """What is told of a column whether it is judged or not."""
    return {
        "kind": one.kind,
        "change": one.change,
        "shape": one.shape,
        "levels": one.levels,
        "icc": one.icc,
    }


def test(
    case: Case,
    coded: Mapping[str, Coded],
    columns: dict[str, dict[str, Any]],
    history: Sequence[pl.DataFrame] | None,
) -> Past:
    """Judge the columns, and write what was found into them; the earlier windows are returned."""
    if not (coded and case.old.count and case.new.count):
        return Past(np.zeros((0, 0)), False)
    suite = suited(coded)
    rules, current, place = case.rules, case.new.count, case.old.place
    chosen = permutation.selections(case.strata, current, rules.permutations, rules.seed)
    memory = permutation.Memory(np.ones(len(suite.tests)))
    if case.cluster is not None:
        own = case.strata[: case.old.count]
        memory = permutation.memory(suite.counts[: case.old.count], own, place, current)
    measured = permutation.judge(suite.counts, case.strata, chosen, memory, rules.alarm)
    raised = memory.inflation
    power = permutation.power(suite.counts, suite.moved, chosen, measured.limit)
    past = (
        before(case, suite, raised) if history is None else recalled(case, suite, raised, history)
    )
    for name, one in coded.items():
        columns[name] |= result(case, name, suite, measured, past)
        if case.reason is None and one.moved is not None:
            columns[name]["power"] = float(power[suite.tests.index(Test(name, "values"))])
    return past


def suited(coded: Mapping[str, Coded]) -> Suite:
    """The counts of all tests as one array."""
    tests, counts, moved = [], [], []
    for name, one in coded.items():
        tests.append(Test(name, "values"))
        counts.append(one.counts)
        moved.append(one.counts if one.moved is None else one.moved)
        if one.missing is not None:
            tests.append(Test(name, "missing"))
            counts.append(np.pad(one.missing, ((0, 0), (0, bins.WIDTH - 2))))
            moved.append(counts[-1])
    return Suite(tests, np.stack(counts, axis=1), np.stack(moved, axis=1))


def before(case: Case, suite: Suite, raised: Floats) -> Past:
    """The reference, cut into windows of as many clusters as the batch has."""
    windows = case.old.windows(case.new.count)
    if windows.max() < 1:
        return Past(np.zeros((int(windows.max()) + 1, len(suite.tests))), False)
    counts, strata = suite.counts[: case.old.count], case.strata[: case.old.count]
    effects = permutation.past(counts, windows, strata, raised, case.rules.seed)
    return Past(effects, len(effects) >= case.rules.windows)


def recalled(case: Case, suite: Suite, raised: Floats, history: Sequence[pl.DataFrame]) -> Past:
    """Windows that the caller names; a column that one of them lacks has no history."""
    columns = dict.fromkeys(test.column for test in suite.tests)
    names = [name for name in columns if all(name in window.columns for window in history)]
    if len(history) < 2 or not names:
        return Past(np.full((len(history), len(suite.tests)), np.nan), False)
    kinds = {name: case.old.rows[name].dtype for name in names}
    rows = [labelled(case, window, kinds, place) for place, window in enumerate(history)]
    side = clusters.named(pl.concat(rows), case.rules.rows, case.rules.seed)
    sides = Sides(side.code, side.rows.height, side.count, side.count)
    own = suited(
        {n: bins.code(side.rows[n], side.rows[n].clear(), sides, labels=False) for n in names}
    )
    shared = [test for test in own.tests if test in suite.tests]
    here, there = ([suite.tests.index(t) for t in shared], [own.tests.index(t) for t in shared])
    assert side.names is not None
    windows = side.names.str.slice(0, 6).cast(pl.Int64).to_numpy().astype(np.intp)
    strata, _ = by_calendar([side], case.rules)
    found = permutation.past(own.counts[:, there], windows, strata, raised[here], case.rules.seed)
    effects = np.full((len(found), len(suite.tests)), np.nan)
    effects[:, here] = found
    return Past(effects, len(found) >= case.rules.windows)


def labelled(
    case: Case, window: pl.DataFrame, kinds: Mapping[str, pl.DataType], place: int
) -> pl.DataFrame:
    """The compared columns of a window, and the cluster of each row, which no other window has."""
    calendar = [n for n in case.rules.calendar if n in window.columns]
    cluster = pl.int_range(pl.len()) % clusters.BLOCKS
    if case.cluster is not None:
        clusters.require("a window of the history", window, case.cluster)
        cluster = clusters.dated(window, case.cluster)
    return window.select(
        *(pl.col(name).cast(kind, strict=False) for name, kind in kinds.items()),
        *(pl.col(name).cast(pl.String) for name in calendar if name not in kinds),
        pl.format("{}{}", pl.lit(f"{place:06}"), cluster.cast(pl.String)).alias(clusters.NAME),
    )


def result(case: Case, name: str, suite: Suite, measured: Judged, past: Past) -> dict[str, Any]:
    """The less likely of a column's tests; no p and no alarm where nothing can be judged."""
    places = [place for place, test in enumerate(suite.tests) if test.column == name]
    if len(places) > 1 and not suite.counts[case.old.count :, places[0], :-1].any():
        places = places[1:]  # where no value is left, only that is to be told
    far = measured.distance / np.maximum(measured.limit, NOTHING)
    news = {place: one(case, place, suite, measured, past) for place in places}
    return news[max(places, key=lambda i: (bool(news[i]["new"]), -measured.p[i], far[i]))]


def one(case: Case, place: int, suite: Suite, measured: Judged, past: Past) -> dict[str, Any]:
    rules, judged = case.rules, case.reason is None
    effects = past.effects[:, place]
    known = past.usable and not np.isnan(effects).any()
    largest = float(effects.max()) if len(effects) and not np.isnan(effects).any() else None
    p, effect = float(measured.p[place]), float(measured.effect[place])
    alarm = judged and p <= rules.alarm
    beyond = effect > max(rules.effect, rules.times * (largest or 0))
    limit = float(measured.limit[place])
    return {
        "judged": judged,
        "part": suite.tests[place].part,
        "distance": float(measured.distance[place]),
        "p": p if judged else None,
        "limit": limit if judged and limit > NOTHING else None,
        "effect": effect,
        "inflation": float(measured.inflation[place]),
        "alarm": alarm,
        "new": (alarm and beyond) if known else None,
        "history": {"windows": len(effects), "largest": largest},
    }


NOTHING = 1e-9
"""A distance that only the last bits of a float make."""


def by_role(columns: Mapping[str, dict[str, Any]], absent: Mapping[str, str]) -> dict[str, Any]:
    """What drifted: input, target, prediction or quality; and why a kind cannot be judged."""
    found = {}
    for role in ROLES:
        own = [column for column in columns.values() if column["role"] == role]
        judged = [column for column in own if column["judged"]]
        reason = None
        if not judged:
            reasons = [column["reason"] for column in own if column["reason"]]
            reason = next(iter(reasons), absent.get(role, "no column has this role"))
        found[role] = {
            "columns": len(own),
            "judged": len(judged),
            "alarm": any(column["alarm"] for column in judged),
            "new": any(column["new"] for column in judged),
            "reason": reason,
        }
    return found


def data(case: Case, names: list[str], today: date | None) -> dict[str, Any]:
    """The quality of the batch, beside its drift."""
    current = max(case.new.count, 1)
    names = [name for name in names if name in case.new.rows.columns]
    return {
        "volume": quality.volume(case.old, case.new, case.old.windows(current)),
        "freshness": quality.freshness(case.old, case.new, today),
        "repeated": quality.repeated(case.old, case.new, names),
    }


def counted(families: Sequence[Family]) -> dict[str, Any]:
    case = families[0].case
    older = {one.case.name.lower(): one.case.old.whole[1] for one in families}
    return {"column": case.cluster, "current": case.new.whole[1], **older}


def sampled(families: Sequence[Family]) -> dict[str, Any]:
    """Rows and clusters that were drawn; None where all take part."""
    case = families[0].case
    sides = {"current": case.new, **{one.case.name.lower(): one.case.old for one in families}}
    drawn: dict[str, Any] = {
        name: {"rows": side.rows.height, "clusters": side.count} if side.sampled else None
        for name, side in sides.items()
    }
    return drawn | {"seed": case.rules.seed}


def method(rules: Drift, cluster: str | None) -> dict[str, Any]:
    return {
        "test": "whole clusters exchanged, and drawn from the reference alone; family-wise",
        "clusters": "declared" if cluster else "rows are taken as independent",
        "alarm": rules.alarm,
        "permutations": rules.permutations,
        "seed": rules.seed,
        "new": f"effect above {rules.effect:g} and {rules.times:g} times the largest earlier one",
        "calendar": list(rules.calendar),
    }


def rounded(value: Any) -> Any:
    """Six significant digits, so that equal runs are equal; None for what is no finite number."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") + 0.0 if math.isfinite(value) else None
    return value
