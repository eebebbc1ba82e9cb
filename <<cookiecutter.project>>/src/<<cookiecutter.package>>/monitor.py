"""Is what is served still what the champion learned from, and is it as good as it promised?

The prediction log goes in, facts come out. Drift is that of `drift`: whole days of inputs against
the rows that the champion was trained on, with those held out then among the earlier windows; whole
days of predictions against those that its training ended with, on the rows held out. A model is
surer of rows that it has learned: against its scores on these every day would look strange.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl

from . import clusters, drift, evaluate, fairness, metrics, validate
from .decide import Quality
from .metrics import plain
from .params import Params, Task
from .schema import SCHEMA
from .text import clean, percent, span

MARK = "\N{WHITE SQUARE} "
"""Before the names of the log's own columns: the table's columns may be called anything."""

KEY, VALUE, VERSION, MODEL, TIME, TOOK = (
    f"{MARK}{name}"
    for name in ("key", "score", "model_version", "model_md5", "scored_at", "latency_ms")
)
MOST = 52
"""Earlier windows that drift is held against."""

EARLIER = 3
"""Fewer windows before this one say nothing of the usual volume."""

GAPS_BELOW = ("demographic_parity_ratio",)
"""Gaps that are the wider the smaller they are."""


@dataclass(frozen=True)
class Champion:
    """The model that is watched, and what it promised.

    Args:
        name: such as v3.
        trained: the rows that it was trained on, with its scores; `held` those held out.
        metrics: its reports/metrics.json.
        slices: its headline metric by slice: slice, group, low and high of each.
        since: when it came into production; None where it never did.
    """

    name: str
    md5: str
    trained: pl.DataFrame
    held: pl.DataFrame
    metrics: Mapping[str, Any]
    slices: Sequence[Mapping[str, Any]]
    since: datetime | None = None


class Log(NamedTuple):
    """The log's rows: its own columns, then those of the contract; and the files left out."""

    rows: pl.DataFrame
    unread: list[str]


def read(files: Iterable[Path], task: Task) -> Log:
    """All rows of the log's files; one that is no such file is left out, and named."""
    parts, unread = [], []
    for file in files:
        try:
            parts.append(part(file, task))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
            unread.append(file.name)
    rows = pl.concat(parts, how="diagonal") if parts else pl.DataFrame(schema=own_types(task))
    return Log(rows.sort(TIME), unread)


def own_types(task: Task) -> dict[str, Any]:
    score = pl.List(pl.Float64) if task.kind == "multiclass" else pl.Float64()
    texts = dict.fromkeys((VERSION, MODEL), pl.String())
    return {KEY: pl.String(), VALUE: score, **texts, TIME: TIMES, TOOK: pl.Float64()}


TIMES = pl.Datetime("us", "UTC")


def part(file: Path, task: Task) -> pl.DataFrame:
    """One file; the latency is unknown in files from before it was logged.

    Raises:
        ValueError: it lacks a column, or holds none of the contract.
        polars.exceptions.PolarsError: it is no Parquet file, or a column is of another kind.
    """
    table = pl.read_parquet(file, glob=False)
    if TOOK.removeprefix(MARK) not in table.columns:
        table = table.with_columns(pl.lit(None, pl.Float64).alias(TOOK.removeprefix(MARK)))
    own = [
        pl.col(name.removeprefix(MARK)).cast(kind).alias(name)
        for name, kind in own_types(task).items()
    ]
    if not isinstance(table.schema.get("row"), pl.Struct):
        raise ValueError("no column `row`")
    inside = {field.name for field in table.schema["row"].fields}  # type: ignore[attr-defined]
    kinds = {n: kind for n, kind in validate.types(SCHEMA).items() if n in inside}
    row = [pl.col("row").struct.field(n).cast(kind, strict=False) for n, kind in kinds.items()]
    if not row:
        raise ValueError("no column of the contract")
    return table.select(*own, *row).drop_nulls([KEY, VALUE, MODEL, TIME])


def judge(
    log: Log, champion: Champion, labels: pl.DataFrame | None, params: Params, now: datetime
) -> dict[str, Any]:
    """What is to be said of the window that ends now, as plain values for JSON.

    Args:
        labels: rows of the table with their labels, whatever their age; None where they cannot be
            had.

    Returns:
        alarms: sentences; each asks for a training.
        troubles: sentences about what no training mends.
        remarks: what else is to be known.
        volume, models, latency, missing, drift, quality: the numbers.
    """
    rules = params.monitor
    window = log.rows.filter(pl.col(TIME) >= now - timedelta(rules.window_days))
    mine = latest(window, champion.md5)
    found: dict[str, Any] = {
        "rows": mine.height,
        "repeated": int((window[MODEL] == champion.md5).sum()) - mine.height,
        "volume": volume(log.rows[TIME], now, params),
        "models": models(window, champion.md5),
        "late": late(window, champion),
        "latency": latency(window.filter(pl.col(MODEL) == champion.md5)),
        "missing": missing(mine, champion.trained, params.task),
        "drift": moved(mine, champion, params) if mine.height else None,
        "quality": quality(latest(log.rows, champion.md5), champion, labels, params),
        "unread": [clean(name) for name in log.unread],
    }
    found["alarms"] = [*drifted(found["drift"]), *worse(found["quality"])]
    found["troubles"] = troubles(found, champion, params)
    found["remarks"] = remarks(found, champion, params)
    return found


def latest(rows: pl.DataFrame, md5: str) -> pl.DataFrame:
    """The rows that one model scored; of a key that came again, the last."""
    own = rows.filter(pl.col(MODEL) == md5)
    return own.unique(KEY, keep="last", maintain_order=True)


def volume(times: pl.Series, now: datetime, params: Params) -> dict[str, Any]:
    """Rows in the window, and in each window before it since the log began, the newest first."""
    size, ends, counted = timedelta(params.monitor.window_days), now, list[int]()
    first = times.min()
    while isinstance(first, datetime) and ends - size >= first - timedelta(days=1):
        counted.append(int(((times >= ends - size) & (times < ends)).sum()))
        ends -= size
    rows = int((times >= now - size).sum())
    earlier = counted[1:]
    usual = median(earlier) if len(earlier) >= EARLIER else None
    return {"rows": rows, "earlier": earlier, "usual": usual}


def models(window: pl.DataFrame, md5: str) -> list[dict[str, Any]]:
    """Other models than the champion that scored rows, the busiest first."""
    others = window.filter(pl.col(MODEL) != md5).group_by(VERSION, MODEL).len()
    return [
        {"version": clean(version or ""), "md5": clean(model, 32), "rows": rows}
        for version, model, rows in others.sort("len", MODEL, VERSION, descending=True).iter_rows()
    ]


def late(window: pl.DataFrame, champion: Champion) -> int:
    """Rows that others scored when the champion had been in production for a day."""
    if champion.since is None:
        return 0
    after = pl.col(TIME) > champion.since + timedelta(days=1)
    return window.filter(after & (pl.col(MODEL) != champion.md5)).height


def latency(rows: pl.DataFrame) -> dict[str, Any] | None:
    """Milliseconds that requests took; None where none was served, or none was measured."""
    took = rows.drop_nulls(TOOK).unique([TIME, TOOK])[TOOK]
    if not len(took):
        return None
    ends = (("median_ms", 0.5), ("p95_ms", 0.95), ("largest_ms", 1.0))
    return {"requests": len(took)} | {n: plain(float(took.quantile(q) or 0)) for n, q in ends}


def missing(rows: pl.DataFrame, trained: pl.DataFrame, task: Task) -> dict[str, list[float | None]]:
    """The share of missing values in training and in the window, of each feature that has some."""
    names = [name for name in task.features if name in rows.columns]
    shares = {name: [share(trained[name]), share(rows[name])] for name in names}
    return {name: both for name, both in shares.items() if any(both)}


def share(values: pl.Series) -> float | None:
    return plain(values.null_count() / len(values)) if len(values) else None


def moved(rows: pl.DataFrame, champion: Champion, params: Params) -> dict[str, Any]:
    """The drift of the champion's inputs and of its predictions."""
    task = params.task
    current = rows.with_columns(pl.col(VALUE).alias(drift.SCORE))
    past = None
    if task.cluster and task.cluster in current.columns:
        known = pl.concat([champion.trained, champion.held], how="diagonal_relaxed")
        past = windows(known, task.cluster, count(current, task.cluster))
    return drift.drift(
        champion.trained,
        current,
        unseen=champion.held,
        cluster=task.cluster,
        roles=drift.roles_of(task, [*task.features, drift.SCORE], task.cluster),
        rules=params.drift,
        history=past,
        schema=SCHEMA,
    )


def count(rows: pl.DataFrame, cluster: str) -> int:
    return int(rows.select(clusters.dated(rows, cluster).drop_nulls().n_unique()).item())


def windows(rows: pl.DataFrame, cluster: str, size: int) -> list[pl.DataFrame]:
    """The newest windows of so many clusters, the oldest first."""
    place = rows.select(clusters.dated(rows, cluster).rank("dense")).to_series().to_numpy()
    newest = int(np.nan_to_num(place.astype(float)).max(initial=0))
    back = pl.Series((newest - place.astype(float)) // max(size, 1))
    whole = min(newest // max(size, 1), MOST)
    return [rows.filter(back == each) for each in reversed(range(whole))]


def quality(
    scored: pl.DataFrame, champion: Champion, labels: pl.DataFrame | None, params: Params
) -> dict[str, Any]:
    """The headline metric where labels have come, held against what was promised; `reason` says
    why it cannot be."""
    if labels is None or not scored.height:
        return {"reason": "no labels can be had" if labels is None else "no rows", "rows": 0}
    rows = labelled(scored, champion, labels, params)
    if not rows.height:
        return {"reason": "no label has come yet of a row that the champion scored", "rows": 0}
    task, options = params.task, params.evaluate
    metric = metrics.named(task.kind, task.threshold)[task.metric]
    cluster = evaluate.codes(rows["cluster"])
    own = metric(evaluate.values(rows, "truth"), evaluate.values(rows, "score"))
    now = evaluate.entry(metrics.interval(own, cluster, options.confidence))
    promised = ends(champion.metrics.get(task.metric, {}))
    found: dict[str, Any] = {"reason": None, "rows": rows.height, "metric": task.metric}
    found |= {"clusters": int(cluster.max()) + 1, "now": now, "promised": promised}
    found["least"] = options.min_slice_rows
    found["broken"] = broken(task.metric, ends(now), promised)
    effective = metrics.effective(np.bincount(cluster))
    if effective < params.gate.min_clusters or None in ends(now):
        found |= {"broken": False, "reason": few(effective, params.gate.min_clusters)}
    elif None in promised:
        found["reason"] = "nothing was promised"
    found["slices"] = by_slice(rows, champion, params)
    found["fairness"] = by_group(rows, champion, params, effective >= params.gate.min_clusters)
    return found


def few(effective: float, least: int) -> str:
    return f"{effective:.1f} clusters of equal size are too few, gate.min_clusters is {least}"


def labelled(
    scored: pl.DataFrame, champion: Champion, labels: pl.DataFrame, params: Params
) -> pl.DataFrame:
    """Scored rows with their labels, as `evaluate.join` has them; not those of the training."""
    task, options = params.task, params.evaluate
    named = list(dict.fromkeys([*options.slices, *options.sensitive]))
    known = labels.select(
        pl.col(task.key).cast(pl.String).alias("key"),
        pl.col(task.cluster or task.key).alias("cluster"),
        pl.col(task.target).cast(pl.Float64).alias("truth"),
        *named,
    ).drop_nulls(["key", "cluster", "truth"])
    score = scored.select(pl.col(KEY).alias("key"), pl.col(VALUE).alias("score"))
    rows = known.join(score, on="key", how="inner", maintain_order="left")
    trained = champion.trained.select(pl.col(task.key).cast(pl.String).alias("key"))
    rows = rows.join(trained, on="key", how="anti", maintain_order="left")
    kind = champion.trained.schema[drift.SCORE]
    if isinstance(kind, pl.Array):
        rows = rows.filter(pl.col("score").list.len() == kind.size)
        rows = rows.with_columns(pl.col("score").list.to_array(kind.size))
    return rows


def ends(found: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return found.get("low"), found.get("high")


def broken(metric: str, now: Sequence[Any], promised: Sequence[Any]) -> bool:
    """Whether the two intervals do not meet, and the new one is the worse."""
    if None in (*now, *promised):
        return False
    lower = metric in metrics.LOWER_IS_BETTER
    return Quality(metric, (now[0], now[1]), (promised[0], promised[1]), lower).broken


def by_slice(rows: pl.DataFrame, champion: Champion, params: Params) -> list[dict[str, Any]]:
    """Each slice with enough rows, the interval widened for their number; it takes as many clusters
    as in the gate to call one worse."""
    task, options = params.task, params.evaluate
    metric = metrics.named(task.kind, task.threshold)[task.metric]
    promised = {(each["slice"], each["group"]): ends(each) for each in champion.slices}
    many = evaluate.slices(rows, metric, params).height
    sure = 1 - (1 - options.confidence) / max(many, 1)
    options = msgspec.structs.replace(options, confidence=sure)
    found = evaluate.slices(rows, metric, msgspec.structs.replace(params, evaluate=options))
    judged = []
    for each in found.to_dicts():
        then = promised.get((each["slice"], each["group"]), (None, None))
        enough = each["clusters"] >= params.gate.min_slice_clusters
        bad = enough and broken(task.metric, ends(each), then)
        judged.append({**each, "promised": then, "broken": bad})
    return judged


def by_group(
    rows: pl.DataFrame, champion: Champion, params: Params, sure: bool
) -> list[dict[str, Any]]:
    """Fairness over the sensitive columns, each gap beside the one that was promised.

    Args:
        sure: whether there are clusters enough to call one wider.
    """
    if not params.evaluate.sensitive:
        return []
    found = fairness.measure(rows, params)
    before = {
        (one["column"], gap["name"]): ends(gap)
        for one in champion.metrics.get("fairness", [])
        for gap in one["gaps"]
    }
    for one in found:
        for gap in one["gaps"]:
            then = before.get((one["column"], gap["name"]), (None, None))
            gap |= {"promised": then, "broken": sure and wider(gap, then)}
    return found


def wider(gap: Mapping[str, Any], then: Sequence[Any]) -> bool:
    """Whether the groups are further apart than was promised, interval from interval."""
    low, high = ends(gap)
    if low is None or high is None or None in then:
        return False
    return bool(high < then[0] if gap["name"] in GAPS_BELOW else low > then[1])


def drifted(found: Mapping[str, Any] | None) -> list[str]:
    """The alarms of drift; the names in them are the team's own."""
    if not found:
        return []
    kinds = {"feature": "what is asked", "prediction": "what is predicted"}
    said = []
    for role, what in kinds.items():
        columns = [
            clean(name, 30)
            for name, column in found["columns"].items()
            if column["role"] == role and counts(column)
        ]
        if columns:
            more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
            names = f": {', '.join(columns[:5])}{more}" if role == "feature" else ""
            said.append(f"{what} has drifted as it had not before{names}")
    return said


def counts(column: Mapping[str, Any]) -> bool:
    """Whether a column's drift is new; or an alarm, where it has no past to be held against."""
    return bool(column["alarm"] if column["new"] is None else column["new"])


def worse(found: Mapping[str, Any]) -> list[str]:
    """The alarms of quality; groups are counted, because their names are a stranger's."""
    if not found["rows"]:
        return []
    metric, said = found["metric"], []
    if found["broken"]:
        now, then = span(*ends(found["now"])), span(*found["promised"])
        said.append(f"its {metric} on what it scored is {now}, and was promised to be {then}")
    slices = [each["slice"] for each in found["slices"] if each["broken"]]
    for name in dict.fromkeys(slices):
        number = slices.count(name)
        groups = f"{number} group{'s' * (number > 1)}"
        said.append(f"its {metric} is below its promise in {groups} of {clean(name, 30)}")
    for one in found["fairness"]:
        if any(gap["broken"] for gap in one["gaps"]):
            name = clean(one["column"], 30)
            said.append(f"the groups of {name} are further apart than was promised")
    return said


def troubles(found: Mapping[str, Any], champion: Champion, params: Params) -> list[str]:
    """What people have to look at, and no training mends."""
    rules, said = params.monitor, []
    now, usual = found["volume"]["rows"], found["volume"]["usual"]
    if usual and rules.min_volume is not None and now < rules.min_volume * usual:
        said.append(
            f"{now:,} rows were scored in {rules.window_days} days, {percent(now / usual)} of the "
            f"usual {usual:,.0f}"
        )
    took = found["latency"]
    if took and rules.latency_ms is not None and took["p95_ms"] > rules.latency_ms:
        said.append(
            f"nineteen in twenty requests took up to {took['p95_ms']:.0f} ms, and "
            f"{rules.latency_ms:g} are allowed"
        )
    if found["late"] and not found["rows"]:
        said.append(
            f"the champion, {champion.name}, scored nothing, and others {found['late']:,} rows "
            "since it is in production for a day: take it up where models are served"
        )
    if names := found["unread"]:
        said.append(f"{len(names):,} files of the log cannot be read, first {names[0]}")
    return said


def remarks(found: Mapping[str, Any], champion: Champion, params: Params) -> list[str]:
    """What else a reader needs to know."""
    said = []
    if not found["volume"]["rows"]:
        said.append(f"nothing was scored in the last {params.monitor.window_days} days")
    elif found["models"]:
        rows = sum(each["rows"] for each in found["models"])
        first = found["models"][0]["version"]
        said.append(f"{rows:,} rows were scored by other models, most by {first}")
    if found["repeated"]:
        said.append(f"{found['repeated']:,} rows came again with the same key: the last one counts")
    if found["volume"]["rows"] and found["volume"]["usual"] is None:
        said.append("the log is too young to say what volume is usual")
    drifting = found["drift"]
    if drifting and not drifting["judged"]:
        said.append(f"drift is not judged: {drifting['reason']}")
    if found["quality"]["reason"] and found["rows"]:
        said.append(f"quality is not judged: {found['quality']['reason']}")
    return said
