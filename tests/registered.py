"""What counts of a registry: each version's tags, in any order, and the champion's model."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class View:
    versions: list[dict[str, str]]
    champion: str | None

    @property
    def models(self) -> list[str]:
        return sorted(tags["model_md5"] for tags in self.versions)


def view(versions: dict[int, dict[str, str]], champion: int | None) -> View:
    ours = sorted(versions.values(), key=json.dumps)
    return View(ours, versions[champion]["model_md5"] if champion else None)


def in_file(database: Path) -> View:
    """The registry of an MLflow that is a file."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT version FROM model_versions WHERE current_stage != 'Deleted_Internal'"
        )
        versions: dict[int, dict[str, str]] = {number: {} for (number,) in rows}
        for number, key, value in connection.execute(
            "SELECT version, key, value FROM model_version_tags ORDER BY key"
        ):
            if number in versions:
                versions[number][key] = value
        champion = connection.execute(
            "SELECT version FROM registered_model_aliases WHERE alias = 'champion'"
        ).fetchone()
    return view(versions, champion and champion[0])
