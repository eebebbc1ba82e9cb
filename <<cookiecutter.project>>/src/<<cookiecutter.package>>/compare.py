"""Compare a model with the base branch's and with production's, and let the gate judge it.

Tables in, one dictionary out: nothing here knows git. The baselines were scored on the same rows,
and each score is paired with the other of its row.
"""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from . import paired, shadow
from .errors import ProjectError
from .gate import GREEN, Facts, judge
from .metrics import LOWER_IS_BETTER, Metric, effective, named, plain
from .paired import Paired, Slice
from .params import Gate, Params, Task
from .predictions import Rows, Unusable, align
from .text import logged


def run(params: Params, now: Path, base: Path | None, production: Path | None, out: Path) -> int:
    """Compare prediction files; 0 when the verdict is green, 1 when it is red.

    Args:
        now: Parquet with the columns key, cluster, truth, score, and one for each slice.
        base: the same of the base branch's model; without it the model is a first one.
        production: the same of the model in production.
        out: JSON with the verdict and what it rests on; it is written whatever the verdict.

    Raises:
        ProjectError: a file cannot be read.
    """
    found = compare(
        read("NOW", now),
        read("BASE", base) if base else None,
        read("--production", production) if production else None,
        task=params.task,
        gate=params.gate,
    )
    write(found, out)
    print(logged(f"compare: {found['verdict']}: {found['reasons'][0]}"))
    return 0 if found["verdict"] in GREEN else 1


def read(name: str, path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ProjectError(
            f"{name} is {str(path)!r}, which is no Parquet file that can be read ({reason}): "
            "`make repro` writes data/predictions.parquet"
        ) from None


def write(found: dict[str, Any], path: Path) -> None:
    """Write the file when it is complete, or not at all; equal findings give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    text = json.dumps(found, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, path)


def compare(
    now: pl.DataFrame,
    base: pl.DataFrame | None,
    production: pl.DataFrame | None = None,
    *,
    task: Task,
    gate: Gate,
    reported: dict[str, Any] | None = None,
    system: dict[str, Any] | None = None,
    base_system: dict[str, Any] | None = None,
    unchanged: bool | None = None,
    obstacles: dict[str, str] | None = None,
    champion: str = "production",
) -> dict[str, Any]:
    """What `comparison.json` holds.

    Args:
        now: the new model's predictions, as `evaluate` writes them.
        base: the base branch's on the same rows; None where there is no model yet.
        production: the same of the model in production.
        reported: reports/metrics.json of the new model, {} where it is missing; None leaves out
            the rules that read it. `system` and `base_system` are reports/system.json, likewise.
        unchanged: whether the model's file and the held-out rows are the base's; None: so it is
            where all scores are.
        obstacles: why a baseline that exists, `base` or `production`, cannot be scored; it blocks.
        champion: which of the two is the model in production.
    """
    tables = {"now": now, "base": base, "production": production}
    given = {name: table for name, table in tables.items() if table is not None}
    measured = named(task.kind, task.threshold)
    try:
        rows = align(given, task.kind)
    except Unusable as error:
        return result(Facts(task.metric, unusable=str(error)), gate, empty(task, gate))
    whole, silent = compare_metrics(rows, measured, gate)
    slices = compare_slices(rows, measured[task.metric], task, gate)
    same = "base" in given and bool((rows.scores["now"] == rows.scores["base"]).all())
    facts = Facts(
        metric=task.metric,
        now={name: value for name, (value, _) in whole.items()},
        over=whole[task.metric][1],
        slices=slices,
        silent=silent,
        effective=effective(np.bincount(rows.cluster)),
        reported=reported,
        system=system,
        base_system=base_system,
        unchanged=same if unchanged is None else same and unchanged,
        obstacles=obstacles or {},
    )
    described = describe(rows, facts, whole, task, gate)
    if champion in given:
        described["shadow"] = shadow.measure(rows, champion, task, gate)
    return result(facts, gate, described)


Whole = dict[str, tuple[float, dict[str, Paired]]]
"""Each metric's value, and its differences from the baselines."""


def compare_metrics(
    rows: Rows, measured: dict[str, Metric], gate: Gate
) -> tuple[Whole, frozenset[str]]:
    """Every metric on all rows, and the names of those that have no influence function."""
    part, found, silent = rows.whole, {}, set()
    others = [name for name in rows.scores if name != "now"]
    for name, metric in measured.items():
        now = part.measure(metric, "now")
        pairs = {
            other: paired.pair(now, part.measure(metric, other), part.size, gate.confidence)
            for other in others
        }
        found[name] = now.value, pairs
        if np.isfinite(now.value) and np.isnan(now.sums).any():
            silent.add(name)
    return found, frozenset(silent)


def compare_slices(rows: Rows, metric: Metric, task: Task, gate: Gate) -> dict[str, list[Slice]]:
    score = rows.scores["now"]
    classes = {"regression": 0, "binary": 2, "multiclass": score.shape[-1]}[task.kind]
    return paired.slices(rows, metric, task.metric in LOWER_IS_BETTER, gate, classes)


def result(facts: Facts, gate: Gate, described: dict[str, Any]) -> dict[str, Any]:
    verdict, reasons, rules = judge(facts, gate)
    return described | {
        "verdict": verdict,
        "reasons": reasons,
        "rules": [rule.facts() for rule in rules],
    }


def empty(task: Task, gate: Gate) -> dict[str, Any]:
    """Every key that a comparison has, before anything is known."""
    return {
        "accepted": None,
        "kind": task.kind,
        "metric": task.metric,
        "confidence": gate.confidence,
        "holdout": None,
        "metrics": {},
        "production": None,
        "slices": [],
        "slices_production": [],
        "shadow": None,
        "warnings": [],
        "gate": msgspec.to_builtins(gate),
        "gate_from": "now",
        "models": None,
        "changed": None,
    }


def describe(rows: Rows, facts: Facts, whole: Whole, task: Task, gate: Gate) -> dict[str, Any]:
    """What was measured, as plain values."""
    gates = {task.metric, *gate.floors} - facts.silent
    tables = {name: metric_table(whole, name, gates) for name in ("base", "production")}
    slices = {name: [each.facts() for each in found] for name, found in facts.slices.items()}
    return empty(task, gate) | {
        "holdout": {
            "rows": len(rows.truth),
            "clusters": int(rows.cluster.max()) + 1,
            "effective_clusters": round(facts.effective, 1),
            "sha256": rows.sha256,
        },
        "metrics": tables["base"],
        "production": tables["production"] if "production" in facts.over else None,
        "slices": slices.get("base", []),
        "slices_production": slices.get("production", []),
        "warnings": [*rows.warnings, *doubts(facts, gate)],
    }


def metric_table(whole: Whole, baseline: str, gates: set[str]) -> dict[str, Any]:
    found = {}
    for name, (value, pairs) in whole.items():
        entry: dict[str, Any] = dict.fromkeys(("base", "difference", "low", "high", "detectable"))
        entry |= pairs[baseline].facts() if baseline in pairs else {"now": plain(value)}
        entry["lower_is_better"] = name in LOWER_IS_BETTER
        entry["gates"] = name in gates
        found[name] = entry
    return found


def doubts(facts: Facts, gate: Gate) -> list[str]:
    """What a reader of the verdict should know."""
    found = []
    for name, pair in facts.over.items():
        if pair.detectable > gate.margin:
            found.append(
                f"gate.margin is {gate.margin:g}, and these rows show differences from "
                f"{pair.detectable:.2g} on against {name}: an equal model would often stay "
                "undecided; hold out more clusters"
            )
    return found
