"""The prediction log of a server: what it scored, in the files that batch scoring writes too."""

import os
import sys
import threading
from pathlib import Path
from uuid import uuid4

import polars as pl

from .errors import ProjectError

SECONDS = 5
"""Rows wait no longer than this for their file, unless it cannot be written."""
MANY = 5_000
"""Rows that do not wait."""
MOST = 50_000
"""Rows that are kept while the log cannot be written; beyond, the oldest are lost, and counted."""


class Logbook:
    """Rows on their way into the log; a thread writes them, so that no answer waits for a disk.

    Where they cannot be written, the server goes on answering and says so, once on the terminal
    and in `state`; the rows are kept and tried again.
    """

    def __init__(self, folder: Path) -> None:
        """Open the log.

        Raises:
            ProjectError: its folder cannot be written.
        """
        self.folder = folder
        self.part = folder / f".{uuid4().hex}.part"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.part.touch()
            self.part.unlink()
        except OSError as error:
            raise ProjectError(f"the log {folder} cannot be written: {error}") from None
        self.waiting: list[pl.DataFrame] = []
        self.rows, self.written, self.lost = 0, 0, 0
        self.failed = self.closed = False
        self.changed = threading.Condition()
        self.writer = threading.Thread(target=self.work, name="logbook", daemon=True)
        self.writer.start()

    def add(self, entries: pl.DataFrame) -> None:
        """Take rows over: key, score, model_version, model_md5, scored_at, latency_ms, row."""
        with self.changed:
            self.waiting.append(entries)
            self.rows += entries.height
            self.trim()
            self.changed.notify()

    def close(self) -> None:
        """Write what waits, and end."""
        with self.changed:
            self.closed = True
            self.changed.notify()
        self.writer.join()
        if self.rows:
            print(f"serve: {self.rows:,} rows are not in the log {self.folder}", file=sys.stderr)

    def state(self) -> dict[str, int]:
        """How many rows are in the log, wait for it, or are lost."""
        with self.changed:
            return {"written": self.written, "waiting": self.rows, "lost": self.lost}

    def work(self) -> None:
        while not self.closed:
            with self.changed:
                self.changed.wait_for(self.due, SECONDS)
            self.write()
        self.write()

    def due(self) -> bool:
        return self.closed or (self.rows >= MANY and not self.failed)

    def write(self) -> None:
        """Add a file with what waits; where that fails, keep it."""
        with self.changed:
            entries, self.waiting = self.waiting, []
        if not entries:
            return
        rows = pl.concat(entries)
        try:
            self.save(rows)
        except Exception as error:  # whatever it is, the server goes on answering
            self.keep(rows, error)
        else:
            self.failed = False
            with self.changed:
                self.rows, self.written = self.rows - rows.height, self.written + rows.height

    def save(self, rows: pl.DataFrame) -> None:
        try:
            rows.write_parquet(self.part)
            time = rows["scored_at"][0].strftime("%Y%m%dT%H%M%S.%fZ")
            os.replace(self.part, self.folder / f"{time}-{uuid4().hex[:8]}.parquet")
        finally:
            self.part.unlink(missing_ok=True)

    def keep(self, rows: pl.DataFrame, error: Exception) -> None:
        if not self.failed:
            why = " ".join(str(error).split())
            print(f"serve: the log cannot be written ({why}): answers go on", file=sys.stderr)
        self.failed = True
        with self.changed:
            self.waiting.insert(0, rows)
            self.trim()

    def trim(self) -> None:
        """Lose the oldest of too many rows."""
        while (excess := self.rows - MOST) > 0 and self.waiting:
            oldest = self.waiting.pop(0)
            left = oldest.slice(excess)
            if left.height:
                self.waiting.insert(0, left)
            gone = oldest.height - left.height
            self.rows, self.lost = self.rows - gone, self.lost + gone
