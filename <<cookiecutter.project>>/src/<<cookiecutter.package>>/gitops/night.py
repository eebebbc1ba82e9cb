"""What a night looks at: newer data, their contract, their drift, and whether to train on them.

Nothing is committed here: the job runs the team's code. What the next job commits lies in a folder.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from sklearn.pipeline import Pipeline

from .. import drift, ingest, metrics, model, params
from ..decide import Decision, Found, Quality, decide
from ..errors import ProjectError
from ..evaluate import codes
from ..params import Params, Task
from ..quality import copies
from ..reporting import staleness as aging
from ..reporting.drift import headline, section
from ..reporting.wording import title
from ..schema import SCHEMA
from ..split import labelled
from ..staleness import Decay, Score, decay
from ..text import logged, prose, span, table
from . import production, staleness, supply
from .alarm import MONITORED
from .lock import LOCK, asks, digest
from .side import HOLDOUT, METRICS, MODEL, TRAIN, Side
from .start import RECORD

PARAMS, VALID, FILES = Path("params.yaml"), Path("data/valid"), "files"
UNTIL = re.compile(r"""(?m)^(  until: )["']?[\d-]+["']?""")


class Stopped(ProjectError):
    """A stage failed."""

    def __init__(self, stage: str, sentence: str) -> None:
        super().__init__(sentence)
        self.stage = stage


class Night(NamedTuple):
    """A night's result: how far the data reach, what was found, and what follows.

    Attributes:
        drift: as `drift.drift` returns it, and `quality`: the model's metric on the new rows and
            what it promised; None where there is no model, or no newer row.
        aged: the models of `main` on the months after each.
        decay: what age costs them.
    """

    until: date | None
    found: Found
    decision: Decision
    drift: dict[str, Any] | None = None
    aged: Sequence[Score] = ()
    decay: Decay | None = None


def run(values: Params, root: Path, folder: Path, until: str, forced: str) -> tuple[bool, str]:
    """Bring newer data in, hold them against their contract, and decide.

    Args:
        folder: gets summary.md, and under `files` what the branch `retrain` is to get:
            params.yaml, and the reasons with the numbers of the drift in reports/night.json.
        until: how far the data shall reach, such as 2013-07-31; empty for all that `ingest.newest`
            knows of.
        forced: why somebody asks for a training; empty where nobody does.

    Returns:
        Whether to train, and the commit that was looked at.

    Raises:
        ProjectError: the data break their contract, or cannot be brought in.
    """
    root = root.resolve()
    shutil.rmtree(folder, ignore_errors=True)  # an earlier night's
    main = Side("main", str(asks(root, "rev-parse", "HEAD")), root)
    day = reach(values, until)
    declare(root / PARAMS, day)
    stage(root, "validate")
    day = there(values, root, day)
    short = too_short(root)
    night = judged(values, main, day, " ".join(forced.split())[:300], short)
    write(values, root, folder, night)
    verdict = "train" if night.decision.train else "wait"
    print(logged(f"night: {verdict}: {night.decision.reasons[0]}"))
    return night.decision.train, str(main.commit)


def reach(values: Params, until: str) -> date | None:
    """How far tonight's data reach; None for a table without time.

    Raises:
        ProjectError: it is no date, or an earlier one than the data of `main`.
    """
    now = values.ingest.until
    if now is None:
        return None
    if not until:
        newest: Any = getattr(ingest, "newest", None)  # a source may not know it
        return max(now, newest(params.options("ingest", ingest.Options))) if newest else now
    try:
        day = date.fromisoformat(until)
    except ValueError:
        raise ProjectError(f"until is {until!r}: a date looks like 2013-07-31") from None
    if day < now:
        raise ProjectError(
            f"until is {until}, and main's data reach {now} already: name a later day"
        )
    return day


def declare(path: Path, day: date | None) -> None:
    """Set `ingest.until` in params.yaml, and leave the rest of the file as it stands.

    Raises:
        ProjectError: the key is written in a way that this does not understand.
    """
    if day is None:
        return
    text = path.read_text(encoding="utf-8")
    changed, count = UNTIL.subn(rf'\g<1>"{day}"', text, count=1)
    if count != 1:
        raise ProjectError(
            'params.yaml: write ingest.until on a line of its own, as until: "2013-06-30"'
        )
    if changed != text:
        path.write_text(changed, encoding="utf-8")


def there(values: Params, root: Path, day: date | None) -> date | None:
    """The declared day, or the newest row's where the rows end before it.

    Else the weeks that are held out were empty, and rows that come late would never be new.
    """
    task, now = values.task, values.ingest.until
    if day is None or now is None or task.time is None:
        return day
    rows = pl.scan_parquet(sorted((root / VALID).glob("*.parquet")))
    last: date | None = rows.select(pl.col(task.time).cast(pl.Date).max()).collect().item()
    reached = max(now, min(day, last or now))
    if reached != day:
        print(f"::notice::The newest row is of {last}, so the data reach {reached}, not {day}")
        declare(root / PARAMS, reached)
    return reached


def stage(root: Path, name: str) -> None:
    """Run the pipeline as far as a stage.

    Raises:
        ProjectError: a stage fails, in its own words.
    """
    left = root / os.environ.get("PROBLEM_FILE", "problem.txt")
    left.unlink(missing_ok=True)
    command = [sys.executable, "-m", "dvc", "repro", name]
    env = os.environ | {"PROBLEM_FILE": str(left)}
    if subprocess.run(command, cwd=root, env=env, check=False).returncode:
        said = left.read_text(encoding="utf-8").strip() if left.exists() else ""
        failed, _, sentence = said.partition(": ")
        raise Stopped(failed, sentence or f"the stage {name} failed: the job's log says why")


def too_short(root: Path) -> str:
    """Why the rows cannot be split; empty where they can.

    Raises:
        ProjectError: it fails for another reason.
    """
    try:
        stage(root, "split")
    except Stopped as error:
        if error.stage != "split":
            raise
        return str(error)
    return ""


def judged(values: Params, main: Side, day: date | None, forced: str, short: str) -> Night:
    """What is new for the model of `main`, and what follows."""
    found = Found(main.trained, 0, forced=forced, short=short)
    if not (main.trained and day) or short:
        return Night(day, found, decide(found, values.retrain))
    aged = staleness.scores(
        values, main, pl.read_parquet(sorted((main.root / VALID).glob("*.parquet")))
    )
    cost = decay(aged, lower_is_better=values.task.metric in metrics.LOWER_IS_BETTER)
    found = found._replace(due=cost.days(values.gate.margin) if cost else None)
    found, drifted = known(values, main, found, day)
    return Night(day, found, decide(found, values.retrain), drifted, aged, cost)


def known(
    values: Params, main: Side, found: Found, day: date
) -> tuple[Found, dict[str, Any] | None]:
    """The facts about the rows that the model of `main` has not seen, and their drift."""
    task, since = values.task, date.fromisoformat(str(main.params()["ingest"]["until"]))
    earlier, rows = parted(main.root, task, since)
    taught = rows.filter(labelled(task.target))
    found = found._replace(rows=taught.height, unlabelled=rows.height - taught.height)
    found = found._replace(age=(day - since).days)
    if not rows.height:
        return found, None
    with tempfile.TemporaryDirectory(prefix="night-") as name:
        place = Path(name)
        supply.obtain(main.root, main.files, [TRAIN, MODEL], values.store, place)
        trained = pl.scan_parquet(place / TRAIN / "*.parquet").select(pl.len()).collect().item()
        quality = measured(values, main, taught, place / MODEL)
    champion = production.champion(main.root)
    drifted = moved(values, champion if champion.trained else main, rows)
    drifted["quality"] = drift.rounded(quality.facts()) if quality else None
    names = tuple(called(*item) for item in drifted["columns"].items() if counts(item[1]))
    found = found._replace(trained=trained, quality=quality, drifted=names)
    again = repeated(task, values.drift.calendar, earlier, rows)
    return found._replace(unjudged=drifted["reason"] or "", repeated=again), drifted


def parted(root: Path, task: Task, since: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows until a day, and those after it."""
    table = pl.read_parquet(sorted((root / VALID).glob("*.parquet")))
    new = pl.col(str(task.time)).cast(pl.Date) > since
    return table.filter(~new), table.filter(new)


def repeated(task: Task, calendar: list[str], earlier: pl.DataFrame, rows: pl.DataFrame) -> bool:
    """Whether a stuck source brought its old days under new dates; their labels may come later."""
    own = {task.key, task.time, task.cluster, task.target, *calendar}
    names = [name for name in rows.columns if name not in own]
    return bool(names) and copies(earlier, rows, str(task.time), names)


def moved(values: Params, known: Side, rows: pl.DataFrame) -> dict[str, Any]:
    """What changed between what a model learned from and the new rows.

    Its predictions are held against those on the rows that were held out. A model that does not
    load, or lacks a column, has none, and the result says so.
    """
    task, warnings = values.task, list[str]()
    with tempfile.TemporaryDirectory(prefix="known-") as name:
        place = Path(name)
        supply.obtain(known.root, known.files, [TRAIN, HOLDOUT, MODEL], values.store, place)
        learned, held = (pl.read_parquet(place / part / "*.parquet") for part in (TRAIN, HOLDOUT))
        try:
            pipeline = model.load(place / MODEL, known.digest(MODEL))
            own = staleness.task_of(task, known.params())
            learned, held, rows = (scored(pipeline, each, own) for each in (learned, held, rows))
        except (ProjectError, pl.exceptions.ColumnNotFoundError) as error:
            warnings.append(f"predictions are not judged: {' '.join(str(error).split())[:300]}")
    roles = drift.roles_of(task, [*rows.columns, drift.SCORE], task.cluster)
    found = drift.drift(
        learned,
        rows,
        unseen=held,
        cluster=task.cluster,
        roles=roles,
        rules=values.drift,
        schema=SCHEMA,
    )
    found["warnings"] += warnings
    return found


def scored(pipeline: Pipeline, rows: pl.DataFrame, task: Task) -> pl.DataFrame:
    return rows.with_columns(pl.Series(drift.SCORE, model.score(pipeline, rows, task)))


def counts(column: dict[str, Any]) -> bool:
    """Whether a column's drift is new; or an alarm, while there is too little past to tell."""
    return bool(column["alarm"] if column["new"] is None else column["new"])


def called(name: str, column: dict[str, Any]) -> str:
    """A column in a sentence: the predictions have no name that a reader knows."""
    said = {"prediction": "its predictions", "quality": "the errors of its predictions"}
    return said.get(column["role"], name)


def measured(values: Params, main: Side, rows: pl.DataFrame, file: Path) -> Quality | None:
    """The headline metric on rows that the model has not seen; None where no interval is known.

    Args:
        rows: with their labels.
    """
    task = values.task
    promised = main.json(METRICS).get(task.metric, {})
    if not rows.height or not {"low", "high"} <= promised.keys():
        return None
    scores = model.score(model.load(file, main.digest(MODEL)), rows, task)
    truth = rows[task.target].cast(pl.Float64).to_numpy()
    estimate = metrics.named(task.kind, task.threshold)[task.metric](truth, scores)
    cluster = codes(rows[task.cluster or task.key])
    now = metrics.interval(estimate, cluster, values.evaluate.confidence)
    if not math.isfinite(now.low) or None in (promised["low"], promised["high"]):
        return None
    ends = (promised["low"], promised["high"])
    return Quality(task.metric, (now.low, now.high), ends, task.metric in metrics.LOWER_IS_BETTER)


def write(values: Params, root: Path, folder: Path, night: Night) -> None:
    """Leave for the next job what it tells and what it commits."""
    record = folder / FILES / RECORD
    record.parent.mkdir(parents=True)
    shutil.copyfile(root / PARAMS, folder / FILES / PARAMS)
    facts: dict[str, Any] = {"until": str(night.until or ""), "reasons": night.decision.reasons}
    facts |= {"data": digest((root / LOCK).read_bytes(), VALID.as_posix())}
    facts |= {"monitored": night.found.forced.startswith(MONITORED)}
    facts |= {"drift": night.drift, "staleness": [score._asdict() for score in night.aged]}
    facts |= {"metric": values.task.metric, "margin": values.gate.margin}
    facts |= {"decay": night.decay._asdict() if night.decay else None}
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    record.write_text(f"{text}\n", encoding="utf-8")
    (folder / "summary.md").write_text(summary(values, night), encoding="utf-8")


def summary(values: Params, night: Night) -> str:
    """What the page of the run shows."""
    verdict = "🏋️ Worth a training" if night.decision.train else "💤 Nothing to train"
    reach = f"Data until {night.until}. " if night.until else ""
    parts = [f"### {verdict}", f"{reach}Because {prose('; '.join(night.decision.reasons), 900)}."]
    parts += [facts_table(night.found, title(values.task.metric))] if night.found.model else []
    if night.drift:
        parts += [f"#### {headline(night.drift)}", str(section(night.drift))]
    aged = aging.section(night.aged, night.decay, values.task.metric, values.gate.margin)
    parts += [str(aged)] if aged else []
    return "\n\n".join(parts) + "\n"


def facts_table(found: Found, metric: str) -> str:
    rows = [["new rows", f"{found.rows + found.unlabelled:,}"]]
    if found.unlabelled:
        rows.append(["of them without a label yet", f"{found.unlabelled:,}"])
    if found.trained:
        rows.append(["rows it was trained on", f"{found.trained:,}"])
    rows.append(["age of its data", f"{found.age} days"])
    if quality := found.quality:
        rows.append([f"{metric} on the new rows", span(*quality.now)])
        rows.append([f"{metric} as promised", span(*quality.promised)])
    elif found.unlabelled and not found.rows:
        rows.append([f"{metric} on the new rows", "labels are not there yet"])
    elif found.rows:
        rows.append([f"{metric} on the new rows", "cannot be told"])
    return table(["the model of main", ""], "lr", rows)
