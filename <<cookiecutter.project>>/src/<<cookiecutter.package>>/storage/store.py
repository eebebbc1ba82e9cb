"""Brings DVC's objects to the store and back: `make push` and `make pull`.

The default store is one ref of the project's own Git remote. Its tree is laid out as any DVC remote
(files/md5/ab/cdef...), its history is an orphan, and no clone carries it. A team whose DVC has a
remote (s3, gs, azure) gets plain `dvc push` and `dvc pull` from the same two commands.
"""

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from .gitref import Git, Store, Tip, lock_files, workshop
from .objects import MIB, Cache, Wanted, folded, outs, wanted_by

ATTEMPTS = 12
BATCH = 2**30  # GitHub refuses a push above 2 GiB
# A stage that never ran has nothing to restore; what is named and missing we find ourselves.
ALLOW_UNRUN = "--allow-missing"
MEND = "run `make push` where the pipeline was run, or `make repro` here"
NOWHERE = "/dev/null/"
UNFINISHED = re.compile(r"\.[\w-]{22}\.tmp")


def push(root: Path, remote: str, ref: str, limit_mib: int) -> None:
    """Bring what dvc.lock names and the store lacks to the store.

    Raises:
        ProjectError: an object is missing or above the limit, or the remote refuses.
    """
    root = root.resolve()
    settings = configuration(root)
    if is_git(settings):
        _push(root, Cache(root, settings), remote, ref, limit_mib)
    else:
        dvc(root, "push")


def _push(root: Path, cache: Cache, remote: str, ref: str, limit_mib: int) -> None:
    with workshop(root) as folder:
        store = Store(Git(root, folder, remote), ref)
        upload(store, cache, named(root, cache), limit_mib)


def pull(root: Path, remote: str, ref: str) -> None:
    """Bring what dvc.lock names and the cache lacks to the cache, then into the working tree.

    Raises:
        ProjectError: an object is missing or damaged, or the remote cannot be read.
    """
    root = root.resolve()
    settings = configuration(root)
    if is_git(settings):
        _pull(root, Cache(root, settings), remote, ref)
    else:
        sweep(root)
        dvc(root, "pull", ALLOW_UNRUN)
        _check_complete(root, Cache(root, settings))


def _pull(root: Path, cache: Cache, remote: str, ref: str) -> None:
    with workshop(root) as folder:
        if cache.lacking(named(root, cache)):
            store = Store(Git(root, folder, remote), ref)
            download(store, store.tip(), cache, lambda: named(root, cache))
        else:
            print("pull: the cache has every object that dvc.lock names", flush=True)
    checkout(root)


def checkout(root: Path) -> None:
    """Bring the working tree to what dvc.lock names; what the cache lacks is left as it is."""
    sweep(root)
    dvc(root, "checkout", ALLOW_UNRUN)


def sweep(root: Path) -> None:
    """Delete what a killed DVC left in outputs: it takes its own unfinished file for a person's.

    Its name is dvc_objects.fs.utils.tmp_fname's, and it lies beside the file that it was to become.
    """
    for file in lock_files(root):
        for _, path in outs(root, file):
            for left in [*(root / path).parent.glob(".*.tmp"), *(root / path).rglob(".*.tmp")]:
                if UNFINISHED.fullmatch(left.name):
                    left.unlink(missing_ok=True)


def named(root: Path, cache: Cache) -> Wanted:
    return wanted_by(root, lock_files(root), cache)


def _check_complete(root: Path, cache: Cache) -> None:
    if lacking := cache.lacking(named(root, cache)):
        raise ProjectError(f"DVC's remote lacks {first(lacking)}: {MEND}")


def configuration(root: Path) -> Any:
    """DVC's own reading of its configuration, from every level that it knows."""
    if not (root / ".dvc").is_dir():
        raise ProjectError(f"{str(root)!r} is no DVC project: run this in the project's folder")
    config = import_module("dvc.config")  # dvc has no types, and costs 0.2 s: only here
    try:
        return config.Config(str(root / ".dvc"))
    except config.ConfigError as error:
        raise ProjectError(f".dvc/config cannot be read: {folded(error)}; mend it") from None


def is_git(settings: Any) -> bool:
    """Whether DVC has no remote of its own.

    The template gives it one in the device /dev/null, whose address is the advice that a bare
    `dvc push` ends with. A remote without an address would break `dvc checkout` and `dvc diff` too.
    """
    remote = settings["remote"].get(settings["core"].get("remote"), {})
    return str(remote.get("url", NOWHERE)).startswith(NOWHERE)


def run_dvc(root: Path, command: str, *options: str) -> int:
    sys.stdout.flush()
    line = [sys.executable, "-m", "dvc", command, *options]
    return subprocess.run(line, cwd=root, check=False).returncode


def dvc(root: Path, command: str, *options: str) -> None:
    if code := run_dvc(root, command, *options):
        raise ProjectError(f"`dvc {command}` ended with exit code {code}: its last lines say why")


def download(store: Store, tip: Tip, cache: Cache, wanted: Callable[[], Wanted]) -> None:
    """At most twice: a folder's list comes before the files that it names."""
    while lacking := cache.lacking(wanted()):
        check_held(store, tip, lacking)
        print(f"pull: {_count(lacking)} from {store}", flush=True)
        _take(store, {name: tip.blobs[name] for name in lacking}, cache, lacking)


def check_held(store: Store, tip: Tip, lacking: Wanted) -> None:
    if absent := {name: path for name, path in lacking.items() if name not in tip.blobs}:
        raise ProjectError(f"the store ({store}) lacks {first(absent)}: {MEND}")


def _take(store: Store, blobs: dict[str, str], cache: Cache, lacking: Wanted) -> None:
    cache.folder.mkdir(parents=True, exist_ok=True)
    store.fetch(list(blobs.values()))
    contents = store.read(list(blobs.values()))
    for name, chunks in zip(blobs, contents, strict=True):
        cache.add(name, lacking[name], chunks, store.git.folder)


def _count(objects: Wanted) -> str:
    return f"{len(objects)} object{'s' * (len(objects) != 1)}"


def first(lacking: Wanted) -> str:
    name, path = next(iter(lacking.items()))
    return f"{_count(lacking)} that dvc.lock names, first {path!r} ({name})"


def upload(store: Store, cache: Cache, wanted: Wanted, limit_mib: int) -> None:
    """Push in batches until the store lacks nothing; a lost race starts from the new tip."""
    tip, written, lost, first = store.tip(), dict[str, str](), 0, True
    while lacking := {name: path for name, path in wanted.items() if name not in tip.blobs}:
        sizes = _sizes(store, cache, lacking, limit_mib)
        batch = _batch(lacking, sizes)
        total = sum(sizes[name] for name in batch)
        print(f"push: {_count(batch)}, {total / 1e6:.1f} MB, to {store}", flush=True)
        written |= store.write({n: p for n, p in batch.items() if n not in written}, cache)
        blobs = {name: written[name] for name in batch}
        commit, first = store.commit(tip, blobs), False
        if refusal := store.send(commit, tip):
            lost += 1
            _back_off(store, lost, refusal)
            tip = store.tip()
        else:
            tip, lost = Tip(commit, tip.blobs | blobs), 0
    print("push: done" if not first else f"push: nothing to push, {store} has it all", flush=True)


def _sizes(store: Store, cache: Cache, lacking: Wanted, limit_mib: int) -> dict[str, int]:
    """Bytes of each object.

    Raises:
        ProjectError: the cache lacks one too, or one is above the limit of a Git host.
    """
    if absent := cache.lacking(lacking):
        raise ProjectError(
            f"cache and store ({store}) both lack {first(absent)}: run `make repro`, "
            "or `make push` where the pipeline was run and then `make pull` here"
        )
    sizes = {name: cache.path(name).stat().st_size for name in lacking}
    largest = max(sizes, key=sizes.__getitem__)
    if sizes[largest] > limit_mib * MIB:
        raise ProjectError(
            f"{lacking[largest]!r} has {sizes[largest] / MIB:.1f} MiB, and the Git host takes no "
            f"object above {limit_mib} MiB: keep the objects in a bucket (s3, gs, azure) with "
            "`dvc remote modify store url s3://...`; nothing was pushed"
        )
    return sizes


def _batch(lacking: Wanted, sizes: dict[str, int]) -> Wanted:
    """The next objects for one push, a folder's list last: where it is, its files are."""
    batch, total = Wanted(), 0
    for name in sorted(lacking, key=lambda name: name.endswith(".dir")):
        total += sizes[name]
        if batch and total > BATCH:
            break
        batch[name] = lacking[name]
    return batch


def _back_off(store: Store, lost: int, refusal: str) -> None:
    if lost > ATTEMPTS:
        raise ProjectError(
            f"another push to {store} was first {lost} times in a row (Git says {refusal}): "
            "run `make push` again later"
        )
    print("push: another push was first; trying again on top of it", flush=True)
    time.sleep(random.uniform(0, min(8.0, 0.1 * 2**lost)))
