"""Score a file with the model, under the same contract as the rows that it was trained on."""

import os
from pathlib import Path

import msgspec
import polars as pl

from . import model as model_file
from . import validate
from .errors import ProjectError
from .params import Ingest, Params
from .schema import SCHEMA

FORMATS = (".csv", ".parquet")


def run(params: Params, model: Path, input: Path, output: Path) -> None:
    """Write the key and score of each row of `input` to `output`; both are .csv or .parquet.

    The target may be there or not. The output appears when it is complete, or not at all.

    Raises:
        ProjectError: a format is unknown, a row breaks the contract, or the model cannot be loaded.
    """
    for role, path in (("INPUT", input), ("OUTPUT", output)):
        if path.suffix not in FORMATS:
            raise ProjectError(
                f"{role} is {str(path)!r}: name a file that ends in .csv or .parquet"
            )
    rows = read(input, params)
    pipeline = model_file.load(model)
    scores = model_file.score(pipeline, rows, params.task)
    scored = rows.select(params.task.key).with_columns(pl.Series("score", scores))
    part = output.with_name(f".{output.name}.part")
    output.parent.mkdir(parents=True, exist_ok=True)
    spread(scored).write_csv(part) if output.suffix == ".csv" else scored.write_parquet(part)
    os.replace(part, output)
    print(f"predict: {scored.height:,} rows scored into {output}")


def spread(scored: pl.DataFrame) -> pl.DataFrame:
    """A column for each class, such as score_0, where there are many: CSV knows no lists."""
    kind = scored.schema["score"]
    if not isinstance(kind, pl.Array):
        return scored
    names = [f"score_{index}" for index in range(kind.size)]
    return scored.with_columns(pl.col("score").arr.to_struct(names)).unnest("score")


def read(path: Path, params: Params) -> pl.DataFrame:
    """The rows to score, with the columns that the model and the answer need.

    Raises:
        ProjectError: the file is not there, not a table, or breaks the contract.
    """
    unlabelled = SCHEMA.remove_columns([params.task.target])
    try:
        given = validate.scan([path], SCHEMA).collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ProjectError(f"INPUT is no table: {validate.unreadable(path, error)}") from None
    schema = SCHEMA if params.task.target in given else unlabelled
    # The future is what a model is asked about: no date is too late here.
    ahead = msgspec.structs.replace(params, ingest=Ingest(until=None))
    if broken := validate.check([path], schema, ahead):
        raise ProjectError(f"INPUT breaks the contract, schema.py:\n\n{broken.markdown()}")
    return validate.scan([path], schema).collect()
