"""The command line: `python -m PACKAGE COMMAND ...`, one command a stage.

Each command imports what it needs when it is called: no stage pays for another's libraries.
"""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from .errors import ProjectError
from .text import logged

FULL = os.strerror(errno.ENOSPC)
STOPPED = 128 + signal.SIGINT

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
    "compare": (
        "judge predictions against the base's",
        ["now", "[base]", "[--production]", "--out"],
    ),
    "drift": (
        "compare new rows with a reference",
        ["reference", "current", "[--cluster]", "[--newest]", "--out", "[--report]"],
    ),
    "drift-html": (
        "draw both of them, with Evidently",
        ["reference", "current", "[--cluster]", "[--newest]", "--out"],
    ),
    "sample": ("draw the sample rows of the tests", ["valid", "sample"]),
    "predict": ("score files with the model", ["model", "lock", "input", "output", "log"]),
    "serve": ("answer requests with the model", ["model", "lock", "log", "host", "port"]),
    "report": (
        "write the report",
        ["metrics", "data", "system", "plots", "lock", "comparison", "output"],
    ),
    "card": (
        "write the model card",
        ["metrics", "data", "system", "plots", "lock", "comparison", "output"],
    ),
    "datasheet": ("write the data sheet", ["train", "holdout", "lock", "output"]),
    "preview": ("show a report as GitHub would", ["report", "assets", "output"]),
    "track": ("record the run in MLflow", ["metrics", "data", "system", "model", "lock"]),
    "registry": ("make MLflow's registry agree with release", ["plan|reconcile", "commit"]),
    "params": ("check params.yaml", []),
    "push": ("put data and models into the store", []),
    "pull": ("get data and models from the store", []),
}

ELSEWHERE = {
    **dict.fromkeys(("push", "pull"), "storage.store"),
    **{name: f"reporting.{name}" for name in ("report", "card", "datasheet")},
    "drift-html": "reporting.drift_html",
}
"""Modules that have not the name of their command."""

WORDS = {"commit", "host", "port", "cluster", "newest"}
"""Arguments that are no paths."""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (purpose, paths) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        for path in paths:
            add(command, path)
    return top


def add(command: argparse.ArgumentParser, path: str) -> None:
    """One argument: `base`, `[base]` where it can be left out, `--out` where it is an option;
    `plan|reconcile` is one of these words."""
    if "|" in path:
        command.add_argument("action", choices=path.split("|"))
        return
    name, optional = path.strip("[]"), path.startswith("[")
    if name.startswith("--"):
        word = name.strip("-")
        kind, shown = (str, word.upper()) if word in WORDS else (Path, "FILE")
        command.add_argument(name, type=kind, required=not optional, metavar=shown)
    else:
        kind = str if name in WORDS else Path
        command.add_argument(name, type=kind, nargs="?" if optional else None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an expected failure is one sentence on stderr and its exit code."""
    paths = vars(parser().parse_args(arguments))
    command = paths.pop("command")
    return attempt(command, lambda: run(command, paths))


def attempt(command: str, call: Callable[[], int | None]) -> int:
    """Call it; an expected failure, or a full disk, is one sentence."""
    try:
        return call() or 0
    except ProjectError as error:
        return told(command, error)
    except KeyboardInterrupt:
        print(f"{command}: stopped", file=sys.stderr)
        return STOPPED
    except Exception as error:
        if FULL not in str(error):  # polars has an error of its own for it
            raise
        return told(command, ProjectError(f"the disk is full ({error}): make room, then again"))


def told(command: str, error: ProjectError) -> int:
    """Print the sentence, and leave it in PROBLEM_FILE, from where a workflow reports it."""
    said = logged(f"{command}: {error}")
    print(said, file=sys.stderr)
    if place := os.environ.get("PROBLEM_FILE"):
        with suppress(OSError):
            Path(place).write_text(f"{said}\n", encoding="utf-8")
    return error.exit_code


def run(command: str, paths: dict[str, Path]) -> int | None:
    """Run one command; only `compare` has an exit code of its own, that of its verdict."""
    if command == "preview":  # it has an environment without a library that reads params.yaml
        import_module(".reporting.preview", __package__).run(**paths)
        return None
    from . import params

    module: Any = import_module(f".{ELSEWHERE.get(command, command)}", __package__)
    values = params.load()
    if command == "params":
        return None
    if command == "ingest":
        module.run(params.options("ingest", module.Options), **paths)
    elif command == "push":
        module.push(Path.cwd(), values.store.remote, values.store.ref, values.store.limit_mib)
    elif command == "pull":
        module.pull(Path.cwd(), values.store.remote, values.store.ref)
    elif command == "compare":
        return int(module.run(values, **paths))
    else:
        module.run(values, **paths)
    return None
