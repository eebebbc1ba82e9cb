"""The models of a report side by side, and the section of their data."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from ..text import Section, code, link, number, percent, table
from .comparison import Model
from .facts import Facts

HASHES = {
    "Model": "model",
    "Training data": "train",
    "Held-out data": "holdout",
    "Environment": "environment",
}


@dataclass(frozen=True)
class Side:
    """One model of a report: where it comes from, and what it took."""

    title: str
    commit: str
    hashes: dict[str, str]
    system: dict[str, Any] | None
    data: dict[str, Any]


def sides(facts: Facts) -> list[Side]:
    """The model itself; in a comparison base and production too, where they are other models."""
    hashes = {name: digest for name, (_, digest) in facts.inputs.items()}
    now = Side("Now", facts.commit, hashes, facts.system, facts.data)
    found = facts.comparison
    if found is None or found.models is None:
        return [now]
    models = {"Base": found.base, "Production": None if found.one_baseline else found.champion}
    others = [side(facts, name, model) for name, model in models.items() if model is not None]
    commit = committed(facts, found.models.now)
    return [Side("Now", commit or facts.commit, hashes, facts.system, facts.data), *others]


def side(facts: Facts, name: str, model: Model) -> Side:
    hashes = {name: str(getattr(model, key) or "") for name, key in HASHES.items()}
    system = model.system if model.system and model.system.get("model") == model.model else None
    named = f" <sub>{code(model.name, 40, 20)}</sub>" if model.name else ""
    return Side(name, committed(facts, model) + named, hashes, system, model.data or {})


def committed(facts: Facts, model: Model) -> str:
    """A commit by its first digits, linked where the run says which repository it is of."""
    if not model.commit:
        return ""
    run = facts.comparison.run if facts.comparison else None
    home = re.fullmatch(r"(https://.+)/actions/runs/\d+", run or "")
    shown = code(model.commit[:7])
    return link(shown, f"{home[1]}/commit/{model.commit}") if home else shown


def beside(label: str, found: list[Side], cell: Callable[[Side], str]) -> list[str]:
    """A row of a table with a cell for each model."""
    return [label, *map(cell, found)]


def data(facts: Facts) -> Section:
    """What the model was trained and judged on, and what base was."""
    found = [one for one in sides(facts) if one.title == "Now" or one.data]
    groups = f" in {facts.clusters}" if facts.params.task.cluster else ""
    names = {"Rows that keep the contract": "rows", "Columns": "columns", "Files": "files"}
    lines = [beside(label, found, partial(count, key=key)) for label, key in names.items()]
    lines.insert(1, beside("Rows to train on", found, lambda one: trained(facts, one)))
    answer = f"{trained(facts, found[0])} rows to train on, {facts.held:,} held out"
    head = ["Data", *(one.title for one in found)] if len(found) > 1 else ["Data", "Value"]
    body = table(head, "l" + "r" * len(found), lines)
    held = f"Held out: {facts.held:,} rows{groups}, {outside(facts)}."
    return Section("Data", f"{answer}{news(facts, found)}", f"{body}\n\n{held}")


def count(one: Side, key: str) -> str:
    found = one.data.get(key)
    return f"{found:,}" if isinstance(found, int) else "–"


def trained(facts: Facts, one: Side) -> str:
    """Rows to train on; another model's are known where it has the same held-out rows."""
    rows, same = one.data.get("rows"), one.title == "Now" or same_holdout(facts, one)
    return f"{rows - facts.held:,}" if isinstance(rows, int) and same else "–"


def same_holdout(facts: Facts, one: Side) -> bool:
    return one.hashes["Held-out data"] == facts.inputs["Held-out data"][1] != ""


def news(facts: Facts, found: list[Side]) -> str:
    """Whether base had the same data, as the end of an answer."""
    base = next((one for one in found if one.title == "Base"), None)
    if base is None or facts.comparison is None:
        return ""
    schema = any(name.endswith("/schema.py") for name in facts.comparison.changed.files)
    contract = "schema changed" if schema else "schema unchanged"
    same = base.hashes["Training data"] == found[0].hashes["Training data"]
    if same and same_holdout(facts, base):
        return "; schema changed, same rows" if schema else "; schema and rows unchanged"
    now, before = (one.data.get("rows") for one in (found[0], base))
    if not (isinstance(now, int) and isinstance(before, int)):
        return f"; {contract}"
    return f"; {number(now - before, 0, sign=True)} rows, {contract}"


def outside(facts: Facts) -> str:
    """Which rows are held out, by the rule of `split`."""
    split, until = facts.params.split, facts.params.ingest.until
    if until:
        first = until - timedelta(weeks=split.holdout_weeks) + timedelta(days=1)
        return f"the last {split.holdout_weeks} weeks, {first} to {until}"
    group = code(split.group or facts.params.task.key)
    return f"{percent(split.holdout_share)} by a stable hash of {group}"
