"""Score files with the model, under the same contract as the rows that it was trained on.

Rows are read, judged, scored and set down so many at a time: memory does not follow their number.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import msgspec
import pandera.polars as pa
import polars as pl
from sklearn.pipeline import Pipeline

from . import batches, contract, keys, validate
from . import model as model_file
from .batches import Batch
from .errors import ProjectError
from .gitops.lock import asks, digest
from .params import Ingest, Params, Task
from .schema import SCHEMA
from .shelf import Shelf, shelf

Schemas = dict[Path, pa.DataFrameSchema]

OWN = re.compile(r"score(_\d+)?|model_version|model_md5|scored_at")
"""The columns of the output beside the key."""


@dataclass(frozen=True)
class Identity:
    """Which model scores, and when: the same in each row of a call."""

    model_version: str
    model_md5: str
    scored_at: datetime

    def columns(self, text: bool = False) -> list[pl.Expr]:
        time = pl.lit(self.scored_at, dtype=pl.Datetime("us", "UTC"))
        return [
            pl.lit(self.model_version).alias("model_version"),
            pl.lit(self.model_md5).alias("model_md5"),
            (time.dt.strftime("%FT%T%.6fZ") if text else time).alias("scored_at"),
        ]


def run(params: Params, model: Path, lock: Path, input: Path, output: Path, log: Path) -> None:
    """Write key, score, model and time of each row of `input` to `output`, .csv or .parquet.

    The target may be there or not. A row that breaks the contract goes to a file beside the
    output, or stops everything, as `predict.bad_rows` says. The output appears when it is
    complete, or not at all, and after its entry in the log.

    Args:
        input: a .csv or .parquet file, or a folder of them.
        log: a folder; each call adds one Parquet file with what monitoring needs: key, score,
            model_version, model_md5, scored_at, latency_ms (null: no request was waiting), and the
            whole row as the struct `row`.

    Raises:
        ProjectError: a format is unknown, a file breaks the contract as a whole, no row keeps it,
            or the model is not that of `lock` or cannot be loaded.
    """
    sources = batches.files(input)
    refuse_format(output)
    rejects = output.with_name(f"{output.stem}.rejected{output.suffix}")
    refuse_target(params.task, input, sources, output, rejects)
    identity = identify(model, lock)
    pipeline = model_file.load(model, identity.model_md5)
    # The future is what a model is asked about: no date is too late here.
    params = msgspec.structs.replace(params, ingest=Ingest(until=None))
    schemas = {file: schema_of(file, params) for file in sources}
    with shelf(output) as made:
        print(f"predict: scoring {input} with the model {identity.model_version}", flush=True)
        rejected = score(params, pipeline, schemas, made)
        set_aside(made, rejects)
        said = f"; {rejected:,} rows rejected, see {rejects}" if rejected else ""
        if not made.has("scored"):
            raise ProjectError(f"no row of {input} keeps the contract, schema.py{said}")
        remember(made, identity, output, log)
        publish(made, identity, params.task.key, output)
        print(f"predict: {made.rows['scored']:,} rows scored into {output}{said}")


def refuse_format(output: Path) -> None:
    """Refuse an output that is no table.

    Raises:
        ProjectError: it is so.
    """
    if output.suffix not in batches.FORMATS or output.is_dir():
        raise ProjectError(f"OUTPUT is {str(output)!r}: name a file that ends in .csv or .parquet")


def refuse_target(
    task: Task, input: Path, sources: list[Path], output: Path, rejects: Path
) -> None:
    """Refuse an output that would be taken for input, or that needs the key's name for itself.

    Raises:
        ProjectError: it is so.
    """
    taken = {input.resolve(), *(file.resolve() for file in sources)}
    for target in (output.resolve(), rejects.resolve()):
        if target in taken or target.parent in taken:
            raise ProjectError(
                f"OUTPUT {str(output)!r} is, or lies among, the files to score: name another"
            )
    if OWN.fullmatch(task.key):
        raise ProjectError(
            f"params.yaml: task.key is {task.key!r}, a name that the output needs for itself: "
            "rename the column"
        )


def identify(model: Path, lock: Path) -> Identity:
    """The model that `lock` names.

    Its version is the release's tag, such as v7, where HEAD has one, else the last commit that
    changed the lock; `not committed` where that is another lock.

    Raises:
        ProjectError: the lock is not there, or names no such model.
    """
    md5 = digest(lock.read_bytes(), str(model)) if lock.exists() else ""
    if not md5:
        raise ProjectError(f"{lock} names no {model}: `make repro`, or check out a trained commit")
    return Identity(version(lock) or "not committed", md5, datetime.now(UTC))


def version(lock: Path) -> str | None:
    root, name = lock.absolute().parent, lock.name
    if asks(root, "diff", "--quiet", "HEAD", "--", name) is None:
        return None
    tag = asks(root, "describe", "--tags", "--exact-match", "--match", "v[0-9]*", "HEAD")
    return tag or asks(root, "log", "-1", "--format=%H", "--", name)


def schema_of(file: Path, params: Params) -> pa.DataFrameSchema:
    """The contract for a file's rows, with the target where the file has it.

    Raises:
        ProjectError: it is no table, or breaks the contract as a whole: columns, types, no rows.
    """
    try:
        given = validate.scan([file], SCHEMA).collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ProjectError(f"INPUT is no table: {validate.unreadable(file, error)}") from None
    target = params.task.target
    schema = SCHEMA if target in given else SCHEMA.remove_columns([target])
    broken = validate.Violations(params.validate.examples)
    validate.structure([file], schema, params, broken)
    if broken.found:
        raise ProjectError(f"INPUT breaks the contract, schema.py:\n\n{broken.markdown()}")
    return schema.add_columns(validate.stricter(schema, params))


def score(params: Params, pipeline: Pipeline, schemas: Schemas, made: Shelf) -> int:
    """Set down the scored rows, and why the others are rejected; how many those are.

    Raises:
        ProjectError: a file cannot be read, or a row breaks the contract and that stops everything.
    """
    task, size, rejected, doubled = params.task, params.predict.rows_at_once, 0, {}
    for names in contract.unique(next(iter(schemas.values())), task.key):
        doubled[names] = keys.doubled(partial(columns, schemas, size, names), made.folder)
    for file, schema in schemas.items():
        for batch in batches.read(file, size, validate.types(schema)):
            kept, reasons = contract.judge(batch.rows, batch.misread, schema, doubled)
            if reasons.height:
                reject(batch, reasons, params, made)
            if kept.height:
                scores = pl.Series("score", model_file.score(pipeline, kept, task))
                made.add("scored", entries(kept, scores, task.key))
            rejected += batch.rows.height - kept.height
    return rejected


def columns(schemas: Schemas, size: int, names: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    """Some columns of all files, part by part."""
    for file, schema in schemas.items():
        for batch in batches.read(file, size, validate.types(schema), list(names)):
            yield batch.rows


def entries(rows: pl.DataFrame, scores: pl.Series, key: str) -> pl.DataFrame:
    """Columns key, score and row: all columns of the contract, the target too, known or not."""
    height = rows.height
    whole = [
        rows[name] if name in rows.columns else pl.Series(name, [None] * height, dtype=dtype)
        for name, dtype in validate.types(SCHEMA).items()
    ]
    row = pl.DataFrame(whole).to_struct("row")
    return pl.DataFrame([rows[key].alias("key"), scores, row])


def reject(batch: Batch, reasons: pl.DataFrame, params: Params, made: Shelf) -> None:
    """Set the reasons down, or stop.

    Raises:
        ProjectError: a bad row is to stop everything.
    """
    if params.predict.bad_rows == "stop":
        raise ProjectError(stopped(batch, reasons, params))
    where = pl.lit(batch.file.name).alias("file"), pl.col("row") + batch.first + 1
    made.add("rejected", reasons.sort("row").select(*where, "column", "rule", "value"))


def stopped(batch: Batch, reasons: pl.DataFrame, params: Params) -> str:
    broken = validate.Violations(params.validate.examples)
    for column, rule, row, value in reasons.select("column", "rule", "row", "value").iter_rows():
        shown = validate.example(value, batch.file, row + batch.first)
        broken.add(column or "", rule, 1, [shown])
    return (
        "INPUT breaks the contract, schema.py, and `predict.bad_rows` in params.yaml is stop:"
        f"\n\n{broken.markdown()}"
    )


def set_aside(made: Shelf, rejects: Path) -> None:
    """Put the reasons beside the output, and remove those of an earlier run."""
    if made.has("rejected"):
        os.replace(made.write("rejected", [pl.all()], f"rejected{rejects.suffix}"), rejects)
    else:
        rejects.unlink(missing_ok=True)


def remember(made: Shelf, identity: Identity, output: Path, log: Path) -> None:
    """Add a file to the log, whose name begins with the time. One that is not complete is hidden,
    and the next run for the same output overwrites it."""
    entry = [pl.col("key", "score"), *identity.columns(), latency(None), pl.col("row")]
    log.mkdir(parents=True, exist_ok=True)
    name = sha256(os.fsencode(output.absolute())).hexdigest()[:16]
    part = log.absolute() / f".{name}.part"
    try:
        made.write("scored", entry, part)
        time = identity.scored_at.strftime("%Y%m%dT%H%M%S.%fZ")
        os.replace(part, log / f"{time}-{uuid4().hex[:8]}.parquet")
    finally:
        part.unlink(missing_ok=True)


def latency(milliseconds: float | None) -> pl.Expr:
    """The log's column of what a request took; of a batch nothing is known."""
    return pl.lit(milliseconds, dtype=pl.Float64).alias("latency_ms")


def publish(made: Shelf, identity: Identity, key: str, output: Path) -> None:
    """Put the scores in their place. CSV knows no lists: many classes have a column each there."""
    text = output.suffix == ".csv"
    kind = made.kind("scored", "score")
    score = [pl.col("score")]
    if text and isinstance(kind, pl.Array):
        score = [pl.col("score").arr.get(i).alias(f"score_{i}") for i in range(kind.size)]
    entry = [pl.col("key").alias(key), *score, *identity.columns(text)]
    os.replace(made.write("scored", entry, f"output{output.suffix}"), output)
