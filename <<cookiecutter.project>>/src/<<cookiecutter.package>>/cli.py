"""The command line: `python -m PACKAGE COMMAND ...`, one command a stage.

Each command imports what it needs when it is called: no stage pays for another's libraries.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .errors import ProjectError

COMMANDS = {
    "ingest": ("write the table as Parquet batches", ["raw"]),
    "validate": ("hold the table against its contract", ["raw", "valid", "summary", "violations"]),
    "split": ("divide the table into train and holdout", ["valid", "train", "holdout"]),
    "train": (
        "fit the model and score the holdout",
        ["train", "holdout", "model", "scores", "importance", "system"],
    ),
    "evaluate": (
        "measure the scores",
        ["holdout", "scores", "importance", "predictions", "summary", "plots"],
    ),
    "sample": ("draw the sample rows of the tests", ["valid", "sample"]),
    "predict": ("score a file with the model", ["model", "input", "output"]),
    "report": (
        "write the report",
        ["metrics", "data", "system", "plots", "lock", "comparison", "output"],
    ),
    "problem": ("write the report where nothing could be compared", ["cause", "output", "details"]),
    "preview": ("show a report as GitHub would", ["report", "assets", "output"]),
    "track": ("record the run in MLflow", ["metrics", "data", "system", "model", "lock"]),
    "push": ("put data and models into the store", []),
    "pull": ("get data and models from the store", []),
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (purpose, paths) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        for path in paths:
            command.add_argument(path, type=Path)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an expected failure is one sentence on stderr and its exit code."""
    paths = vars(parser().parse_args(arguments))
    command = paths.pop("command")
    try:
        run(command, paths)
    except ProjectError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def run(command: str, paths: dict[str, Path]) -> None:
    if command in ("problem", "preview"):  # they need no params.yaml, and no library to read it
        import_module(f".{command}", __package__).run(**paths)
        return
    from . import params

    name = "store" if command in ("push", "pull") else command
    module: Any = import_module(f".{name}", __package__)
    values = params.load()
    if command == "ingest":
        module.run(params.options("ingest", module.Options), **paths)
    elif command == "push":
        module.push(Path.cwd(), values.store.remote, values.store.ref, values.store.limit_mib)
    elif command == "pull":
        module.pull(Path.cwd(), values.store.remote, values.store.ref)
    else:
        module.run(values, **paths)
