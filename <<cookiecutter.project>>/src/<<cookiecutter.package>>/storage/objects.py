"""DVC's objects: what dvc.lock names, and the cache that holds them."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import yaml

from ..errors import ProjectError

MIB = 2**20
NAME = re.compile(r"[0-9a-f]{32}(\.dir)?")

Wanted = dict[str, str]  # an object's name (md5, or md5.dir) -> its path in dvc.lock


# What dvc.lock names


def wanted_by(root: Path, files: Sequence[str], cache: "Cache") -> Wanted:
    """Every object that the lock files name, and the children of each folder whose list is cached.

    Raises:
        ProjectError: there is no such file, or one cannot be read.
    """
    if not files:
        raise ProjectError(f"there is no dvc.lock in {str(root)!r}: run `make repro` first")
    wanted: Wanted = {}
    for file in files:
        for name, path in outs(root, file):
            wanted.setdefault(name, path)
            if name.endswith(".dir") and cache.has(name):
                for child, inner in cache.children(name, path):
                    wanted.setdefault(child, inner)
    return wanted


def outs(root: Path, file: str) -> Iterator[tuple[str, str]]:
    """Name and path of each output that lives in the cache.

    Raises:
        ProjectError: an object's name is no MD5, and so might lead out of the cache.
    """
    folder = Path(file).parent
    for out in _cached_outs(root, file):
        name, path = out.get("md5"), (folder / str(out.get("path"))).as_posix()
        if name is None:
            continue
        if not NAME.fullmatch(str(name)):
            raise ProjectError(
                f"{file} names the object {name!r} for {path!r}, which is no MD5: "
                "restore the file from Git, or run `make repro`"
            )
        yield name, path


def _cached_outs(root: Path, file: str) -> Iterator[dict[str, Any]]:
    document = _yaml(root / file)
    if file.endswith(".dvc"):
        yield from (out for out in _list(document, "outs") if not _is_uncached(out))
        return
    pipeline = _yaml(root / Path(file).with_name("dvc.yaml"))
    stages = document.get("stages") or {}
    for stage, locked in stages.items():
        in_git = _uncached(pipeline, stage.partition("@")[0])
        yield from (
            out
            for out in _list(locked, "outs")
            if not any(pattern.fullmatch(out.get("path", "")) for pattern in in_git)
        )


def _yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise ProjectError(
            f"{path.name} is not valid YAML ({folded(error)}): settle the merge conflict in it, "
            "or run `make repro`"
        ) from None
    return document if isinstance(document, dict) else {}


def _list(mapping: Any, key: str) -> list[dict[str, Any]]:
    return [item for item in mapping.get(key) or [] if isinstance(item, dict)]


def _uncached(pipeline: dict[str, Any], stage: str) -> list[re.Pattern[str]]:
    """What the stage writes into Git, not into the cache; `${...}` in a path may be anything."""
    declared = (pipeline.get("stages") or {}).get(stage) or {}
    declared = declared.get("do", declared)
    return [
        re.compile(".*".join(map(re.escape, re.split(r"\$\{.*?\}", path))))
        for kind in ("outs", "metrics", "plots")
        for entry in _list(declared, kind)
        for path, flags in entry.items()
        if isinstance(flags, dict) and _is_uncached(flags)
    ]


def _is_uncached(flags: dict[str, Any]) -> bool:
    return flags.get("cache") is False or flags.get("push") is False


def folded(text: object) -> str:
    return " ".join(str(text).split())


# The cache


class Cache:
    """DVC's cache of one project: files named by their MD5."""

    def __init__(self, root: Path, settings: Any) -> None:
        folder = root / ".dvc" / (settings["cache"].get("dir") or "cache")
        self.folder = folder / "files" / "md5"

    def path(self, name: str) -> Path:
        return self.folder / name[:2] / name[2:]

    def has(self, name: str) -> bool:
        return self.path(name).exists()

    def lacking(self, wanted: Wanted) -> Wanted:
        return {name: path for name, path in wanted.items() if not self.has(name)}

    def children(self, name: str, path: str) -> Iterator[tuple[str, str]]:
        """Name and path of each file in a folder's list."""
        try:
            for entry in json.loads(self.path(name).read_bytes()):
                child = str(entry["md5"])
                if not NAME.fullmatch(child) or child.endswith(".dir"):
                    raise ValueError(child)
                yield child, f"{path}/{entry['relpath']}"
        except (ValueError, KeyError, TypeError):
            raise ProjectError(
                f"the cache's list of the folder {path!r} ({name}) is damaged: "
                f"delete {str(self.path(name))!r} and run `make pull`"
            ) from None

    def add(self, name: str, path: str, chunks: Iterable[bytes], workshop: Path) -> None:
        """Write one object, whole and verified or not at all.

        Raises:
            ProjectError: the content's MD5 is not the object's name.
        """
        target = self.path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=self._room(workshop))
        try:
            with os.fdopen(handle, "wb") as file:
                found = write_chunks(chunks, file)
            if found != name[:32]:
                raise ProjectError(
                    f"the store's object for {path!r} is damaged (its MD5 is {found}, not "
                    f"{name[:32]}): delete the store's ref, then `make push` where the pipeline "
                    "was run"
                )
            os.chmod(part, 0o444)  # as DVC does: a cache object is never edited in place
            os.replace(part, target)
        finally:
            Path(part).unlink(missing_ok=True)

    def _room(self, workshop: Path) -> Path:
        """A folder from which a file can be renamed into the cache."""
        same = workshop.stat().st_dev == self.folder.stat().st_dev
        return workshop if same else self.folder


def write_chunks(chunks: Iterable[bytes], target: IO[bytes]) -> str:
    """Write the chunks and return their MD5."""
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()


def read_chunks(source: IO[bytes], size: int) -> Iterator[bytes]:
    """Exactly `size` bytes, or fewer where the source ends."""
    while size and (chunk := source.read(min(size, MIB))):
        size -= len(chunk)
        yield chunk
