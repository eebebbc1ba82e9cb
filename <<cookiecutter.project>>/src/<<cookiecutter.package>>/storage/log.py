"""The prediction log where it is watched: a ref of the Git remote, a bucket, or a folder.

A file of the log is named by its time and never changes: what has a name there is there.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ..errors import ProjectError
from ..params import Monitor
from ..params import Store as Place
from .gitref import Git, GitFailed, Store, Tip, workshop
from .objects import MIB, folded, write_chunks
from .store import ATTEMPTS, configuration, is_git

REF = "refs/monitor/log"
NAME = re.compile(r"(\d{8}T\d{6}\.\d{6})Z-[0-9a-f]{8}\.parquet")
ENTRY = re.compile(rf"100644 blob ([0-9a-f]+)\tlog/()({NAME.pattern})")


class Shelf(Protocol):
    """Where the log is."""

    def names(self) -> set[str]: ...

    def add(self, files: dict[str, Path]) -> None: ...

    def take(self, names: list[str], folder: Path) -> None: ...


def ship(root: Path, log: Path, place: Place, rules: Monitor) -> None:
    """Bring the files of the folder `log` that are not there yet to where the log is watched.

    Raises:
        ProjectError: it cannot be read or written, or a file is above the limit of a Git host.
    """
    files = {file.name: file for file in log.glob("*.parquet") if NAME.fullmatch(file.name)}
    with shelf(root.resolve(), place, rules) as there:
        oldest = datetime.now(UTC) - timedelta(rules.keep_days)
        lacking = since(files.keys() - there.names(), oldest)
        if not lacking:
            print(f"log: nothing to add, {there} has all of {log}")
            return
        there.add({name: files[name] for name in lacking})
        print(f"log: {len(lacking):,} file{'s' * (len(lacking) > 1)} added to {there}")


def fetch(root: Path, place: Place, rules: Monitor, oldest: datetime, folder: Path) -> str:
    """Bring the files of the log that are not older into `folder`; where they came from.

    Raises:
        ProjectError: the log cannot be read.
    """
    with shelf(root.resolve(), place, rules) as there:
        there.take(since(there.names(), oldest), folder)
        return str(there)


def since(names: Iterable[str], oldest: datetime) -> list[str]:
    """Those of the files that are not older, the oldest first."""
    return sorted(name for name in names if when(name) >= oldest)


def when(name: str) -> datetime:
    """The time of the first row of a file of the log."""
    found = NAME.fullmatch(name)
    try:
        time = datetime.strptime(found[1] if found else "", "%Y%m%dT%H%M%S.%f")
    except ValueError:  # it looks like a time, and is none: such a file is too old for everything
        time = datetime.min
    return time.replace(tzinfo=UTC)


@contextmanager
def shelf(root: Path, place: Place, rules: Monitor) -> Iterator[Shelf]:
    """The place that `monitor.log` names.

    Raises:
        ProjectError: it cannot be reached.
    """
    settings = configuration(root)
    if rules.log == "store" and is_git(settings):
        with workshop(root) as folder:
            git = Git(root, folder, place.remote)
            try:
                yield Branchless(git, rules.keep_days, place.limit_mib)
            except GitFailed as error:
                raise ProjectError(f"Git failed on {REF}: {folded(error)[:300]}") from None
    else:
        yield Files(root, settings, rules.log)


class Branchless(Store):
    """A ref without a history: what leaves the log leaves the repository."""

    folder, entry = "log/", ENTRY

    def __init__(self, git: Git, keep_days: int, limit_mib: int) -> None:
        super().__init__(git, REF)
        self.keep_days, self.limit = keep_days, limit_mib

    def names(self) -> set[str]:
        return set(self.tip().blobs)

    def add(self, files: dict[str, Path]) -> None:
        """Push them, on top of what others pushed meanwhile.

        Raises:
            ProjectError: a file is too large, or the remote refuses.
        """
        for name, file in files.items():
            if (size := file.stat().st_size) > self.limit * MIB:
                raise ProjectError(
                    f"{name!r} of the log has {size / MIB:.1f} MiB, and the Git host takes no file "
                    f"above {self.limit} MiB: name a bucket or a folder as monitor.log"
                )
        blobs = {name: self.blob(file) for name, file in files.items()}
        said = ""
        for _ in range(ATTEMPTS):
            tip = self.tip()
            kept = since(tip.blobs, datetime.now(UTC) - timedelta(self.keep_days))
            commit = self.whole({name: tip.blobs[name] for name in kept} | blobs)
            said = self.send(commit, tip, f"--force-with-lease={self.ref}:{tip.commit or ''}")
            if not said:
                return
        raise ProjectError(f"others push to {self} all the time (Git says {said}): try again later")

    def blob(self, file: Path) -> str:
        return self.git.run("hash-object", "-w", "--no-filters", str(file.absolute())).strip()

    def whole(self, blobs: dict[str, str]) -> str:
        """A commit of these files alone, and without a parent."""
        lines = "".join(f"100644 blob {blob}\t{name}\n" for name, blob in sorted(blobs.items()))
        inner = self.git.run_shown("mktree", "--missing", stdin=lines).strip()
        tree = self.git.run_shown("mktree", stdin=f"040000 tree {inner}\tlog\n").strip()
        who = {f"GIT_{who}_{what}": "log@localhost" for who, what in WHO}
        self.git.env |= who
        return self.git.run("commit-tree", tree, "-m", f"{len(blobs)} files").strip()

    def take(self, names: list[str], folder: Path) -> None:
        """Fetch these files and no others."""
        if not names:
            return
        tip: Tip = self.tip()
        wanted = {name: tip.blobs[name] for name in names if name in tip.blobs}
        self.fetch(list(wanted.values()))
        for name, chunks in zip(wanted, self.read(list(wanted.values())), strict=True):
            with (folder / name).open("wb") as file:
                write_chunks(chunks, file)


WHO = [(who, what) for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]


class Files:
    """A folder, or a prefix of a bucket that DVC knows how to reach."""

    def __init__(self, root: Path, settings: Any, log: str) -> None:
        """Find it.

        Raises:
            ProjectError: DVC knows no such kind of place, or lacks what it takes to reach it.
        """
        filesystems = import_module("dvc.fs")  # dvc has no types
        remote = settings["core"].get("remote")
        named = {"name": remote} if log == "store" else {"url": log if ":/" in log else root / log}
        self.address = f"predictions of DVC's remote {remote!r}" if log == "store" else log
        try:
            kind, config, path = filesystems.get_cloud_fs(
                settings, **{k: str(v) for k, v in named.items()}
            )
            self.files: Any = kind(**config)
        except Exception as error:
            raise self.failed(error) from None
        self.path = f"{path.rstrip('/')}/predictions" if log == "store" else path

    def __str__(self) -> str:
        return self.address

    def failed(self, error: Exception) -> ProjectError:
        """Whatever a library for a cloud raises, in one sentence."""
        reason = folded(error)[:300] or type(error).__name__
        return ProjectError(
            f"the log ({self.address}) cannot be reached: {reason}; check monitor.log in "
            "params.yaml and your login there"
        )

    def names(self) -> set[str]:
        try:
            found = {path.rpartition("/")[2] for path in self.files.find(self.path)}
        except FileNotFoundError:
            return set()
        except Exception as error:
            raise self.failed(error) from None
        return {name for name in found if NAME.fullmatch(name)}

    def add(self, files: dict[str, Path]) -> None:
        try:
            self.files.makedirs(self.path, exist_ok=True)
            for name, file in files.items():
                self.files.put_file(str(file), f"{self.path}/{name}")
        except Exception as error:
            raise self.failed(error) from None

    def take(self, names: list[str], folder: Path) -> None:
        try:
            for name in names:
                self.files.get_file(f"{self.path}/{name}", str(folder / name))
        except Exception as error:
            raise self.failed(error) from None
