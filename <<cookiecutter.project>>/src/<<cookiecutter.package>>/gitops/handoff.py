"""What one job of a pull request hands to the next: new objects, and the files that git keeps.

A folder travels between jobs as an artifact. What is read from it is data from a job that ran the
team's code: names are checked, links are refused, and every object must be what its name says.
"""

import hashlib
import shutil
from pathlib import Path

from ..errors import ProjectError
from ..storage.objects import NAME, Cache, wanted_by
from ..storage.store import configuration
from .lock import LOCK, SYSTEM, at, outputs
from .supply import HELD

FILES, OBJECTS = "files", "objects"
KEPT = (".json", ".csv")
"""Endings of the generated files that git keeps beside dvc.lock; all lie in reports/."""


def pack(root: Path, folder: Path) -> None:
    """Write what the store lacks of dvc.lock, and the generated files, to `folder`.

    Raises:
        ProjectError: there is no dvc.lock.
    """
    root = root.resolve()
    cache = Cache(root, configuration(root))
    held = (root / HELD).read_text(encoding="utf-8").split() if (root / HELD).exists() else []
    wanted = wanted_by(root, [LOCK] if (root / LOCK).exists() else [], cache)
    new = [name for name in wanted if name not in held and cache.has(name)]
    shutil.rmtree(folder, ignore_errors=True)
    for name in new:
        target = folder / OBJECTS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(cache.path(name), target)
    for path in generated(root):
        target = folder / FILES / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)
    print(f"handoff: {len(new)} new objects of dvc.lock's {len(wanted)}")


def generated(root: Path) -> list[str]:
    """The files that the pipeline writes and git keeps."""
    found = [LOCK, SYSTEM]
    for path in outputs(at(root, None)[LOCK]):
        place = root / path
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        found += [str(f.relative_to(root)) for f in files if acceptable(str(f.relative_to(root)))]
    return sorted({path for path in found if (root / path).is_file()})


def acceptable(path: str) -> bool:
    """Whether git keeps a generated file of this name: dvc.lock, or a figure in reports/."""
    parts = Path(path).parts
    plain = ".." not in parts and not any(part.startswith(".") for part in parts)
    return path == LOCK or (plain and parts[0] == "reports" and path.endswith(KEPT))


def unpack(root: Path, folder: Path) -> None:
    """Take over what an earlier job packed: objects into the cache, files into place.

    Raises:
        ProjectError: as `objects` and `files`.
    """
    root = root.resolve()
    take(root, folder)
    for path, content in files(folder).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def take(root: Path, folder: Path) -> list[str]:
    """Put the packed objects into the cache, each under the name that its content has.

    Raises:
        ProjectError: an object is not what its name says.
    """
    cache, names = Cache(root, configuration(root)), []
    for source in sorted((folder / OBJECTS).glob("*")):
        name = source.name
        if not NAME.fullmatch(name) or source.is_symlink() or not source.is_file():
            raise ProjectError(f"the handed-over object {name!r} is no MD5: run the job again")
        if md5(source) != name[:32]:
            raise ProjectError(
                f"the handed-over object {name} is damaged: run the job that made it again"
            )
        target = cache.path(name)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.part")
            shutil.copyfile(source, part)
            part.chmod(0o444)  # as DVC does: a cache object is never edited in place
            part.replace(target)
        names.append(name)
    return names


def md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def files(folder: Path) -> dict[str, bytes]:
    """Path and content of the packed files.

    Raises:
        ProjectError: a file is none that the pipeline generates, or is a link.
    """
    base, found = folder / FILES, {}
    for source in sorted(base.rglob("*")):
        path = source.relative_to(base).as_posix()
        if source.is_dir() and not source.is_symlink():
            continue
        if source.is_symlink() or not acceptable(path):
            raise ProjectError(
                f"the handed-over file {path!r} is none that the pipeline generates (dvc.lock, "
                "and .json and .csv in reports/): it is not published"
            )
        found[path] = source.read_bytes()
    if not found:
        raise ProjectError(f"the handed-over folder {str(folder)!r} is empty: run the job again")
    return found
