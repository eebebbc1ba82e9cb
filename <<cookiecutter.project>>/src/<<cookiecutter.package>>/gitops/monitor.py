"""`make monitor`: brings the champion, the log and the newest labels together."""

import csv
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from .. import drift, ingest, model, monitor, params, validate
from ..errors import ProjectError
from ..monitor import Champion, Log
from ..params import Ingest, Params
from ..reporting.monitor import page, verdict
from ..storage import log
from . import night, production, supply
from .alarm import MONITORED
from .history import releases
from .lock import asks
from .side import HOLDOUT, METRICS, MODEL, TRAIN, Side
from .staleness import task_of

SLICES = "reports/plots/slices.csv"
BEGIN = "`make predict` and `make serve` write it, `make log` brings it there"


def run(values: Params, root: Path, out: Path, report: Path) -> None:
    """Hold the log of the last days against the champion; write the facts and a page for people.

    Raises:
        ProjectError: the log or the store cannot be read.
    """
    found = look(values, root.resolve())
    drift.write(found, out)
    report.write_text(page(found), encoding="utf-8")
    print(f"monitor: {verdict(found)}; {report}")


def look(values: Params, root: Path) -> dict[str, Any]:
    """The facts, the verdict's state and the reason to train: see `monitor.judge`.

    Raises:
        ProjectError: as `run`.
    """
    main = Side("main", str(asks(root, "rev-parse", "HEAD")), root)
    side = production.champion(root)
    side = side if side.trained else main
    if not side.trained:
        return told("no model", "main has no model yet, so nothing is served")
    if (kind := side.params()["task"]["kind"]) != values.task.kind:
        return told("unjudged", f"the champion is for a {kind} task, main is for another one")
    rules, now = values.monitor, datetime.now(UTC)
    oldest = now - timedelta(rules.window_days + rules.past_days)
    with tempfile.TemporaryDirectory(prefix="monitor-") as name:
        scratch = Path(name)
        (scratch / "log").mkdir()
        source = log.fetch(root, values.store, rules, oldest, scratch / "log")
        values = of_its_time(values, side)
        read = monitor.read(sorted((scratch / "log").iterdir()), values.task)
        if not read.rows.height and not read.unread:
            return told("empty", f"the log, {source}, has no rows: {BEGIN}")
        found = judged(values, root, side, read, scratch, now)
    found |= {"window_days": rules.window_days, "log": source}
    return found | {"promote": newer(main, side), "reason": ""} | asked(found, newer(main, side))


def told(state: str, sentence: str) -> dict[str, Any]:
    """Facts where there is nothing to judge."""
    return {"state": state, "alarms": [], "troubles": [], "remarks": [sentence], "reason": ""}


def of_its_time(values: Params, side: Side) -> Params:
    """The parameters, with the columns that the champion was made for."""
    return msgspec.structs.replace(values, task=task_of(values.task, side.params()))


def judged(
    values: Params, root: Path, side: Side, read: Log, scratch: Path, now: datetime
) -> dict[str, Any]:
    champion = obtained(values, side, scratch)
    labels, why = labelled(values, root, scratch / "labels")
    found = monitor.judge(read, champion, labels, values, now)
    found["remarks"] += [why] if why else []
    return found | {"champion": champion.name, "model": champion.md5, "time": str(now)[:19]}


def obtained(values: Params, side: Side, scratch: Path) -> Champion:
    """The model, its rows and its scores on them.

    Raises:
        ProjectError: the store lacks one of them, or the model is not to be trusted.
    """
    supply.obtain(side.root, side.files, [TRAIN, HOLDOUT, MODEL], values.store, scratch)
    pipeline = model.load(scratch / MODEL, side.digest(MODEL))

    def scored(folder: str) -> pl.DataFrame:
        rows = pl.read_parquet(sorted((scratch / folder).glob("*.parquet")))
        return rows.with_columns(pl.Series(drift.SCORE, model.score(pipeline, rows, values.task)))

    slices = list(csv.DictReader(side.read(SLICES).decode().splitlines()))
    promised: list[dict[str, Any]] = [
        {**each, "low": number(each["low"]), "high": number(each["high"])} for each in slices
    ]
    name, begun = called(side)
    return Champion(
        name=name,
        md5=side.digest(MODEL),
        trained=scored(TRAIN),
        held=scored(HOLDOUT),
        metrics=side.json(METRICS),
        slices=promised,
        since=begun,
    )


def number(text: str) -> float | None:
    return float(text) if text else None


def called(side: Side) -> tuple[str, datetime | None]:
    """Such as v3, and since when; where nothing is in production, what is watched in its place."""
    if side.name == "main":
        return "the model of main (nothing is in production)", None
    release = releases(str(side.commit), side.root)[-1]
    return f"v{release.number}", datetime.fromisoformat(release.when)


def labelled(values: Params, root: Path, folder: Path) -> tuple[pl.DataFrame | None, str]:
    """The newest rows of the source that keep the contract; and why there are none."""
    try:
        day = night.reach(values, "")
        given = params.read(root / "params.yaml")["ingest"] | {"until": day}
        ingest.run(params.convert(given, ingest.Options, "ingest"), folder / "raw")
        values = msgspec.structs.replace(values, ingest=Ingest(until=day))
        names = ("raw", "valid", "data.json", "violations.md")
        validate.run(values, *(folder / name for name in names))
    except ProjectError as error:
        return None, f"the newest labels cannot be had: {str(error).splitlines()[0]}"
    return pl.read_parquet(sorted((folder / "valid").glob("*.parquet"))), ""


def newer(main: Side, side: Side) -> bool:
    """Whether `main` has a model of newer data than the champion's."""
    if main.digest(MODEL) == side.digest(MODEL):
        return False
    until = [str(each.params().get("ingest", {}).get("until") or "") for each in (main, side)]
    return until[0] > until[1]


def asked(found: dict[str, Any], promote: bool) -> dict[str, Any]:
    """The state, and why to train; nothing where a promotion is what helps."""
    reason = f"{MONITORED}{found['champion']}: {'; '.join(found['alarms'])}"
    if found["alarms"]:
        return {"state": "alarm", "reason": "" if promote else reason}
    if found["troubles"]:
        return {"state": "trouble"}
    return {"state": "calm" if found["drift"] and found["drift"]["judged"] else "unjudged"}
