"""Hold the working tree's model beside the champion, on a laptop: which decisions would change."""

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from .. import compare, shadow
from ..errors import ProjectError
from ..params import Params
from ..predictions import Unusable, align
from ..reporting.comparison import Shadow
from ..reporting.shadow import lines
from ..text import NARROW, short
from . import production, review, supply
from .side import MODEL, PREDICTIONS, Side


def run(params: Params, root: Path, output: Path) -> None:
    """Print which decisions change, and write the numbers as JSON; nothing where none can.

    Raises:
        ProjectError: there is no model here, or one of the two cannot be scored.
    """
    now, champion = Side("this commit", None, root.resolve()), production.champion(root.resolve())
    if not now.trained:
        raise ProjectError("dvc.lock names no model yet: `make repro` trains one")
    output.unlink(missing_ok=True)
    if why := idle(now, champion):
        print(f"shadow: {why}")
        return
    found = measured(params, now, champion)
    compare.write(found, output)
    told = msgspec.convert(found, Shadow)
    confidence = f"{short(100 * found['confidence'])} % interval"
    for line in lines(params.task, told, champion.name, confidence):
        print(f"shadow: {line.replace(NARROW, ' ')}")
    print(f"shadow: {output}")


def idle(now: Side, champion: Side) -> str:
    """Why there is nothing to compare; empty where there is."""
    if not champion.trained:
        return f"{champion.name} names no model: there is no champion yet"
    if now.digest(MODEL) == champion.digest(MODEL):
        return "this model is the champion: no decision can change"
    return ""


def measured(params: Params, now: Side, champion: Side) -> dict[str, Any]:
    """Both on the rows that are held out now, as in a promotion.

    Raises:
        ProjectError: one of the two cannot be scored on them.
    """
    gate, _ = review.rules(params, champion, shipping=True)
    with tempfile.TemporaryDirectory(prefix="shadow-") as name:
        scratch = Path(name)
        supply.obtain(now.root, now.files, [PREDICTIONS], params.store, scratch / "now")
        then = review.predictions(params, now, champion, scratch / "base")
        if then is None:
            raise ProjectError(f"the champion cannot be scored: {champion.why}")
        tables = {"now": pl.read_parquet(scratch / "now" / PREDICTIONS), "base": then}
    try:
        rows = align(tables, params.task.kind)
    except Unusable as error:
        raise ProjectError(f"the two cannot be compared: {error}") from None
    found = shadow.measure(rows, "base", params.task, gate)
    return {**found, "confidence": gate.confidence}
