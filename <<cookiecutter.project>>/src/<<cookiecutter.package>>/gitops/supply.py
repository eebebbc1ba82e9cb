"""The store as a workflow needs it: what it has and no more, for this commit or for another."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ProjectError
from ..params import Store as Place
from ..storage.gitref import Git, Store, workshop
from ..storage.objects import NAME, Cache, Wanted, wanted_by
from ..storage.store import (
    MEND,
    check_held,
    checkout,
    configuration,
    download,
    dvc,
    first,
    is_git,
    named,
    run_dvc,
    upload,
)
from .lock import LOCK, digest

HELD = Path(".dvc/tmp/held")
"""The names of the objects that `fetch` found in the store, one a line."""


def fetch(root: Path, place: Place) -> None:
    """Bring what dvc.lock names and the store has; what it lacks the pipeline makes again.

    Which objects the store has is noted, so that `handoff.pack` hands on only the others.

    Raises:
        ProjectError: an object is damaged, or the remote cannot be read.
    """
    settings, held = configuration(root), list[str]()
    cache = Cache(root, settings)
    if (root / LOCK).exists():
        held = from_ref(root, cache, place) if is_git(settings) else from_bucket(root, cache)
        checkout(root)
    (root / HELD).parent.mkdir(exist_ok=True)
    (root / HELD).write_text("\n".join(held), encoding="utf-8")


def from_ref(root: Path, cache: Cache, place: Place) -> list[str]:
    with workshop(root) as folder:
        store = Store(Git(root, folder, place.remote), place.ref)
        tip = store.tip()

        def there() -> Wanted:
            return {name: path for name, path in named(root, cache).items() if name in tip.blobs}

        download(store, tip, cache, there)
        return list(there())


def from_bucket(root: Path, cache: Cache) -> list[str]:
    before = {name for name in named(root, cache) if cache.has(name)}
    run_dvc(root, "fetch")  # it names what the bucket lacks and takes the rest
    return [name for name in named(root, cache) if cache.has(name) and name not in before]


def obtain(
    root: Path, files: dict[str, bytes], paths: Iterable[str], place: Place, target: Path
) -> None:
    """Write outputs of any commit below `target`, from the cache or the store.

    Args:
        files: that commit's dvc.yaml, dvc.lock and params.yaml.
        paths: outputs, such as data/predictions.parquet; of a folder, all its files.

    Raises:
        ProjectError: the store lacks an object, or cannot be read.
    """
    settings, wanted_paths = configuration(root), list(paths)
    cache = Cache(root, settings)

    def wanted() -> Wanted:
        return dict(contents(files[LOCK], wanted_paths, cache))

    if cache.lacking(wanted()) and is_git(settings):
        with workshop(root) as folder:
            store = Store(Git(root, folder, place.remote), place.ref)
            download(store, store.tip(), cache, wanted)
    elif cache.lacking(wanted()):
        with snapshot(root, files, cache) as other:
            dvc(other, "fetch", *wanted_paths)
    if lacking := cache.lacking(wanted()):
        raise ProjectError(f"DVC's remote lacks {first(lacking)}: {MEND}")
    for name, path in contents(files[LOCK], wanted_paths, cache):
        if not name.endswith(".dir"):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(cache.path(name), target / path)


def contents(lock: bytes, paths: list[str], cache: Cache) -> Iterator[tuple[str, str]]:
    """Name and path of each object of these outputs; two paths may have the same object.

    Raises:
        ProjectError: the lock does not name an output.
    """
    for path in paths:
        name = digest(lock, path)
        if not NAME.fullmatch(name):
            raise ProjectError(f"dvc.lock names no {path!r}: `make repro` makes it")
        yield name, path
        if name.endswith(".dir") and cache.has(name):
            yield from cache.children(name, path)


def send(root: Path, files: dict[str, bytes], place: Place) -> None:
    """As `make push`, for another commit's files, whose new objects are in the cache.

    Raises:
        ProjectError: an object is missing or above the limit, or the remote refuses.
    """
    settings = configuration(root)
    cache = Cache(root, settings)
    with snapshot(root, files, cache) as other:
        if is_git(settings):
            with workshop(root) as folder:
                store = Store(Git(root, folder, place.remote), place.ref)
                upload(store, cache, wanted_by(other, [LOCK], cache), place.limit_mib)
        else:
            dvc(other, "push")


def check(root: Path, place: Place) -> None:
    """Refuse a dvc.lock that names an object which the store does not hold.

    Raises:
        ProjectError: an object is missing, or the remote cannot be read.
    """
    if not (root / LOCK).exists():
        print("stored: there is no dvc.lock yet, so nothing has to be in the store")
        return
    settings = configuration(root)
    cache = Cache(root, settings)
    if is_git(settings):
        with workshop(root) as folder:
            store = Store(Git(root, folder, place.remote), place.ref)
            tip = store.tip()
            download(store, tip, cache, lambda: lists(named(root, cache)))
            check_held(store, tip, named(root, cache))
    else:
        dvc(root, "fetch")
    print(f"stored: the store holds the {len(named(root, cache))} objects that dvc.lock names")


def lists(found: Wanted) -> Wanted:
    """The lists of folders: only they say which files are inside."""
    return {name: path for name, path in found.items() if name.endswith(".dir")}


@contextmanager
def snapshot(root: Path, files: dict[str, bytes], cache: Cache) -> Iterator[Path]:
    """A DVC project of these files alone, with our cache and our remote; no code is in it."""
    with tempfile.TemporaryDirectory(prefix="dvc-") as name:
        folder = Path(name)
        kept = shutil.ignore_patterns("tmp", "cache")
        shutil.copytree(root / ".dvc", folder / ".dvc", ignore=kept)
        local = folder / ".dvc" / "config.local"
        given = local.read_text(encoding="utf-8") if local.exists() else ""
        ours = f"[core]\n    no_scm = true\n[cache]\n    dir = {cache.folder.parents[1]}\n"
        local.write_text(f"{given}\n{ours}", encoding="utf-8")
        for path, content in files.items():
            (folder / path).write_bytes(content)
        yield folder
