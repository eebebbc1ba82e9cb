"""What the champion answers to a request: the rows that batch scoring would write, or why not."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pandera.polars as pa
import polars as pl
from sklearn.pipeline import Pipeline

from . import contract, payload, predict, validate
from . import model as model_file
from .errors import ProjectError
from .gitops.lock import asks
from .logbook import Logbook
from .params import Ingest, Params, Task
from .payload import SHOWN, Refused, Wanted
from .predict import Identity
from .schema import SCHEMA

LARGEST = 2**23
"""Bytes of a request's body."""

Answer = tuple[int, bytes]
"""An HTTP status and JSON."""


@dataclass(frozen=True)
class Champion:
    """The model that answers.

    Args:
        commit: the one that is checked out; empty where there is none.
        contracts: with the target and without.
    """

    identity: Identity
    commit: str
    pipeline: Pipeline
    task: Task
    wanted: Wanted
    contracts: dict[bool, pa.DataFrameSchema]

    def answer(self, content: bytes, kind: str, log: Logbook) -> Answer:
        """Score a request's rows, and log them with the milliseconds that they took; 400 where one
        of them breaks the contract."""
        started = time.perf_counter()
        try:
            rows = self.rows(content, kind)
        except ProjectError as error:
            return 400, refusal(str(error), getattr(error, "reasons", None))
        identity = replace(self.identity, scored_at=datetime.now(UTC))
        scores = pl.Series("score", model_file.score(self.pipeline, rows, self.task))
        entries = predict.entries(rows, scores, self.task.key)
        took = predict.latency(1000 * (time.perf_counter() - started))
        log.add(entries.select("key", "score", *identity.columns(), took, "row"))
        own = pl.col("key").alias(self.task.key)
        found = entries.select(own, "score", *identity.columns(text=True))
        return 200, msgspec.json.encode({"predictions": found.to_dicts()})

    def rows(self, content: bytes, kind: str) -> pl.DataFrame:
        """The rows of a request, all of which keep the contract.

        Raises:
            Refused: they are no table, or a row breaks the contract.
            ProjectError: a rule is broken that blames no row.
        """
        rows, misread = payload.table(content, kind, self.wanted)
        schema = self.contracts[self.task.target in rows.columns]
        doubled = {
            names: repeated(rows.select(names)) for names in contract.unique(schema, self.task.key)
        }
        kept, reasons = contract.judge(rows, misread, schema, doubled)
        if reasons.height:
            reasons = reasons.sort("row", maintain_order=True)
            bad = f"{rows.height - kept.height:,} of {rows.height:,} rows"
            raise Refused(f"{bad} break the contract, schema.py: {first(reasons)}", reasons)
        return rows

    def about(self, log: Logbook) -> dict[str, Any]:
        """Which model answers, and how its log is."""
        model = {"model_version": self.identity.model_version, "model_md5": self.identity.model_md5}
        return {"status": "ok", **model, "commit": self.commit, "log": log.state()}


def load(params: Params, model: Path, lock: Path) -> Champion:
    """The model that `lock` names, read under the allow-list, with its contract.

    Raises:
        ProjectError: it is missing, not that of `lock`, or cannot be loaded.
    """
    identity = predict.identify(model, lock)
    pipeline = model_file.load(model, identity.model_md5)
    # The future is what a model is asked about: no date is too late here.
    params = msgspec.structs.replace(params, ingest=Ingest(until=None))
    bare = SCHEMA.remove_columns([params.task.target])
    contracts = {
        known: schema.add_columns(validate.stricter(schema, params))
        for known, schema in ((True, SCHEMA), (False, bare))
    }
    commit = asks(lock.absolute().parent, "rev-parse", "HEAD") or ""
    wanted = Wanted(validate.types(SCHEMA), params.task.target, params.predict.rows_at_once)
    return Champion(identity, commit, pipeline, params.task, wanted, contracts)


def repeated(values: pl.DataFrame) -> pl.DataFrame:
    """The values that several rows have; a missing one is none."""
    values = values.drop_nulls()
    return values.filter(values.is_duplicated()).unique()


def first(reasons: pl.DataFrame) -> str:
    row, column, rule, value = reasons.select("row", "column", "rule", "value").row(0)
    return f"row {row}, {column or 'the table'}: {rule}, {'missing' if value is None else value}"


def refusal(message: str, reasons: pl.DataFrame | None = None, code: str = "BAD_REQUEST") -> bytes:
    """An error as MLflow words it, without its stack trace, with rows from 0, columns and rules."""
    body: dict[str, Any] = {"error_code": code, "message": message}
    if reasons is not None:
        body["bad_rows"] = reasons["row"].drop_nulls().n_unique()
        body["reasons"] = reasons.head(SHOWN).to_dicts()
    return msgspec.json.encode(body)
