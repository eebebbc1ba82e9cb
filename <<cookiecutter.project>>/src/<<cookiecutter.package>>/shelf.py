"""What a run has made and nobody may see yet: parts of tables, put in place when complete."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from .errors import ProjectError


class Shelf:
    """A folder with parts of tables, in their order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts: dict[str, list[Path]] = {}
        self.rows: dict[str, int] = {}

    def add(self, name: str, part: pl.DataFrame) -> None:
        """Set down the next rows of a table."""
        known = self.parts.setdefault(name, [])
        known.append(self.folder / f"{name}-{len(known)}.parquet")
        part.write_parquet(known[-1], compression="lz4")
        self.rows[name] = self.rows.get(name, 0) + part.height

    def has(self, name: str) -> bool:
        return name in self.parts

    def kind(self, name: str, column: str) -> pl.DataType:
        """The type of a column."""
        return pl.read_parquet_schema(self.parts[name][0])[column]

    def write(self, name: str, columns: Sequence[pl.Expr], target: str | Path) -> Path:
        """The whole table as one file, CSV where its name ends so, else Parquet; a mere name is
        one on the shelf."""
        table = pl.scan_parquet(self.parts[name], glob=False).select(columns)
        path = self.folder / target
        table.sink_csv(path) if path.suffix == ".csv" else table.sink_parquet(path)
        return path


@contextmanager
def shelf(output: Path) -> Iterator[Shelf]:
    """An empty shelf beside the output, removed in the end.

    What a killed run left there goes first; two runs for the same output never share one.

    Raises:
        ProjectError: it cannot be made, or another run is at work on the same output.
    """
    folder = output.with_name(f".{output.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ProjectError(f"OUTPUT {str(output)!r} cannot be written: {error}") from None
    try:
        alone(handle, output)
        for left in folder.iterdir():
            left.unlink()
        try:
            yield Shelf(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def alone(handle: int, output: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ProjectError(
            f"another run is writing {str(output)!r}: wait for it, or name another OUTPUT"
        ) from None
