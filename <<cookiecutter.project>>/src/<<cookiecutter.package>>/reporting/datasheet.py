"""The data sheet: what the table holds, what it may hold, and where it comes from.

Its parts are those of Gebru et al., "Datasheets for Datasets" (2021), as far as the pipeline's
files tell them.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import yaml

from .. import drift, ingest
from ..errors import ProjectError
from ..params import Params
from ..schema import SCHEMA
from ..text import NARROW, cell, code, link, percent, prose, table
from . import distribution
from .drift import headline, section
from .facts import find, keyed, read

METHOD = "https://arxiv.org/abs/1803.09010"
NAN = "\0nan"
BATCHES = 24
"""The most batches that are listed."""


@dataclass(frozen=True)
class Sheet:
    """What a data sheet is written from: the files to train on and those held out, and the lock."""

    params: Params
    train: list[Path]
    holdout: list[Path]
    lock: dict[str, Any]

    @property
    def parts(self) -> dict[str, list[Path]]:
        return {"To train on": self.train, "Held out": self.holdout}


def run(params: Params, train: Path, holdout: Path, lock: Path, output: Path) -> None:
    """Write `output`.

    Args:
        train: the folder of Parquet files to train on; `holdout` the held-out rows.

    Raises:
        ProjectError: a folder is not what the lock names.
    """
    locked = read(lock, lambda text: keyed(yaml.safe_load(text)))
    for folder in (train, holdout):
        refuse_other(folder, locked, lock)
    sides = [sorted(folder.glob("*.parquet")) for folder in (train, holdout)]
    sheet = Sheet(params, sides[0], sides[1], locked)
    parts = [f"### {title}\n\n{write(sheet)}" for title, write in SECTIONS.items()]
    small = f"<sub>A data sheet after {link('Gebru et al., 2021', METHOD)}.</sub>"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("\n\n".join(["## Data sheet", *parts, small]) + "\n", encoding="utf-8")
    print(f"datasheet: {count(sheet.train):,} rows to train on; {output}")


def refuse_other(folder: Path, locked: dict[str, Any], lock: Path) -> None:
    """Refuse to tell of one table under another's hash.

    Raises:
        ProjectError: the folder is not what the lock names.
    """
    if find(locked, "split", "outs", folder.name)[1] != digest(folder):
        raise ProjectError(f"{folder} is not what {lock} names: `make pull` or `make repro` first")


def digest(folder: Path) -> str:
    """The hash that DVC gives a folder: that of the list of its files and their hashes."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    found = {file.relative_to(folder).as_posix(): md5(file) for file in files}
    listed = [{"md5": found[name], "relpath": name} for name in sorted(found)]
    text = json.dumps(listed, sort_keys=True).encode()
    return f"{hashlib.md5(text, usedforsecurity=False).hexdigest()}.dir"


def md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def count(files: list[Path]) -> int:
    return int(pl.scan_parquet(files).select(pl.len()).collect().item())


def overview(sheet: Sheet) -> str:
    """What it is for, whose it is, under which licence, and how many rows from when to when."""
    card, time = sheet.params.card, sheet.params.task.time
    lines = [[name, f"{count(files):,}", *window(files, time)] for name, files in parts(sheet)]
    facts = [["Licence", code(card.data_licence)], ["Owner", code(card.owner)]]
    text = f"Rows for a model of this purpose: {prose(card.purpose, 2000)}"
    head = ["Part", "Rows", "First day", "Last day"]
    return "\n\n".join(
        [text, table(["What", "As `params.yaml` says"], "ll", facts), table(head, "lrll", lines)]
    )


def parts(sheet: Sheet) -> Iterator[tuple[str, list[Path]]]:
    yield from sheet.parts.items()


def window(files: list[Path], time: str | None) -> list[str]:
    """The first and the last day; a dash of a table without time."""
    if time is None:
        return ["–", "–"]
    day = pl.col(time).cast(pl.Date)
    ends = (
        pl.scan_parquet(files)
        .select(day.min().alias("first"), day.max().alias("last"))
        .collect()
        .row(0)
    )
    return [str(end) for end in ends]


def target(sheet: Sheet) -> str:
    """How the classes, or the values, of the target are spread on either side of the split."""
    task, name = sheet.params.task, code(sheet.params.task.target)
    found = {part: distribution.read(files, task.target) for part, files in parts(sheet)}
    if task.kind == "regression":
        return f"{name}\n\n{distribution.distributions((part, one) for part, one in found.items())}"
    lines = [
        [part, code(str(value)), f"{rows:,}", distribution.share(rows, len(one))]
        for part, one in found.items()
        for value, rows in one.alias("value").value_counts(name="rows").sort("value").iter_rows()
    ]
    return f"{name}\n\n{table(['Rows', 'Class', 'Number', 'Share'], 'llrl', lines)}"


def contract(sheet: Sheet) -> str:
    """Every column: its role, type and rules, and how much of it is missing."""
    missing = {name: lacking(files) for name, files in parts(sheet)}
    lines = [
        [cell(name), role(sheet.params, name), code(str(column.dtype)), *lacks, rules(column)]
        for name, column in SCHEMA.columns.items()
        for lacks in [[found.get(name, "–") for found in missing.values()]]
    ]
    head = ["Column", "Role", "Type", *(f"Missing<br><sub>{name}</sub>" for name in missing)]
    text = table([*head, "Rules"], "lllrrl", lines)
    whole = [code(told(check), 120) for check in SCHEMA.checks]
    whole += [f"unique together: {code(', '.join(SCHEMA.unique), 120)}"] if SCHEMA.unique else []
    more = f" Of the whole table: {', '.join(whole)}." if whole else ""
    strict = "Other columns are refused." if SCHEMA.strict else "Other columns are let through."
    until = sheet.params.ingest.until
    late = f", and no row is dated after {until}" if until else ""
    return f"{text}\n\n{strict} The key is unique{late}.{more}"


def lacking(files: list[Path]) -> dict[str, str]:
    """The share of each column that is missing, or a dash of one that is whole."""
    rows, whole = pl.scan_parquet(files), count(files)
    gaps = pl.all().null_count(), pl.selectors.float().is_nan().sum().name.suffix(NAN)
    found = rows.select(*gaps).collect(engine="streaming").row(0, named=True)
    names = [name for name in found if not name.endswith(NAN)]
    both = {name: found[name] + (found.get(f"{name}{NAN}") or 0) for name in names}
    return {name: part(number, whole) for name, number in both.items()}


def part(rows: int, whole: int) -> str:
    """How many, and which share."""
    if not rows:
        return "none"
    few = rows / whole < 0.0005
    return f"{rows:,} <sub>{f'under 0.1{NARROW}%' if few else percent(rows / whole, 1)}</sub>"


def role(params: Params, name: str) -> str:
    """What a column is in the task; it may be several things."""
    task = params.task
    roles: dict[str, list[Any]] = {
        "target": [task.target],
        "key": [task.key],
        "time": [task.time],
        "cluster": [task.cluster],
        "number": task.numeric,
        "category": task.categorical,
        "sensitive": params.evaluate.sensitive,
    }
    return ", ".join(role for role, names in roles.items() if name in names) or "not used"


def rules(column: pa.Column) -> str:
    """What the contract asks of a column's values."""
    checks = [code(told(check), 120) for check in column.checks]
    checks += ["unique"] if column.unique else []
    return ", ".join(checks) or "–"


def told(check: Any) -> str:
    return str(check.error or check.name or "a rule of its own")


def columns(sheet: Sheet) -> str:
    """The distribution of every column but key and target, over the rows to train on."""
    task = sheet.params.task
    names = [name for name in SCHEMA.columns if name not in (task.key, task.target)]
    text = distribution.distributions(
        (name, distribution.read(sheet.train, name)) for name in names
    )
    note = "Of the rows to train on. ├ and ┤: 5 % of the values are lower, and 5 % higher; ●: the "
    note += f"median. A value in fewer than {distribution.RARE} rows is not named."
    return f"{text}\n\n<sub>{note}</sub>"


def drifted(sheet: Sheet) -> str:
    """How the held-out rows, the newest of a table with time, differ from those to train on."""
    old, new = (pl.read_parquet(files) for files in sheet.parts.values())
    task = sheet.params.task
    roles = drift.roles_of(task, old.columns, task.cluster)
    rules = sheet.params.drift
    found = drift.drift(old, new, cluster=task.cluster, roles=roles, rules=rules)
    return f"{headline(found)}\n\n{section(found)}"


def provenance(sheet: Sheet) -> str:
    """Where the table comes from, in which batches, by which hashes."""
    said = " ".join((ingest.__doc__ or "").partition("\n\n")[0].split())
    sources: dict[str, str] = getattr(ingest, "SOURCES", {})
    lines = [
        [f"Source {cell(name)}", f"sha256 {code(found, 64)}"] for name, found in sources.items()
    ]
    for label, stage, side, ending in HASHES:
        path, found = find(sheet.lock, stage, side, ending)
        lines += [[f"{label} <sub>{code(path)}</sub>", f"md5 {code(found)}"]] if found else []
    return "\n\n".join(
        filter(
            None,
            [
                f"`ingest.py`: {prose(said, 300)}",
                table(["What", "Hash"], "ll", lines),
                batches(sheet),
            ],
        )
    )


HASHES = (
    ("How it is brought in", "ingest", "deps", "ingest.py"),
    ("As it was brought in", "ingest", "outs", "raw"),
    ("The contract", "validate", "deps", "schema.py"),
    ("What keeps the contract", "validate", "outs", "valid"),
    ("To train on", "split", "outs", "train"),
    ("Held out", "split", "outs", "holdout"),
)
"""What of `dvc.lock` tells of the table: stage, side and ending of a path."""


def batches(sheet: Sheet) -> str:
    """The files, and how many rows of each are on either side; the newest where there are many."""
    sides = [{file.name: count([file]) for file in files} for files in sheet.parts.values()]
    names = sorted({name for side in sides for name in side})
    kept = names[-BATCHES:]
    lines = [[cell(name), *(f"{side.get(name, 0):,}" for side in sides)] for name in kept]
    left = len(names) - len(kept)
    more = f"\n\n{left:,} earlier batches are not listed." if left else ""
    return table(["Batch", *sheet.parts], "lrr", lines) + more


SECTIONS: dict[str, Callable[[Sheet], str]] = {
    "Overview": overview,
    "Target": target,
    "Contract": contract,
    "Distributions": columns,
    "Drift of the held-out rows": drifted,
    "Provenance": provenance,
}
"""The parts of the sheet in their order, each a function of the sheet that returns Markdown."""
