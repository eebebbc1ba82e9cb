"""Brings DVC's objects to the store and back: `make push` and `make pull`.

The default store is one ref of the project's own Git remote. Its tree is laid out as any DVC remote
(files/md5/ab/cdef...), its history is an orphan, and no clone carries it. A team whose DVC has a
remote (s3, gs, azure) gets plain `dvc push` and `dvc pull` from the same two commands.

All of Git's work happens in a bare repository under .dvc/tmp that lives for one command, so the
user's clone never gains an object, a ref or a setting.
"""

import base64
import fcntl
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

import yaml

from .errors import ProjectError

MIB = 2**20
ATTEMPTS = 12
BATCH = 2**30  # GitHub refuses a push above 2 GiB
# A stage that never ran has nothing to restore; what is named and missing we find ourselves.
ALLOW_UNRUN = "--allow-missing"
MEND = "run `make push` where the pipeline was run, or `make repro` here"
NOWHERE = "/dev/null/"
OURS = "refs/heads/next"
THEIRS = "refs/heads/store"
IDENTITY = "DVC store <store@localhost>"  # so that pushing needs no user.name and no user.email

NAME = re.compile(r"[0-9a-f]{32}(\.dir)?")
ENTRY = re.compile(r"100644 blob ([0-9a-f]+)\tfiles/md5/([0-9a-f]{2})/([0-9a-f]{30}(?:\.dir)?)")
RACE = re.compile(
    r"non-fast-forward|fetch first|stale info|already exists|incorrect old value"
    r"|cannot lock ref|failed to lock|failed to update ref"
)
UNFETCHABLE = re.compile(r"not our ref|unadvertised object|not allow request")
NOISE = re.compile(
    r"Please make sure you have the correct|and the repository exists|error: failed to push some"
    r"|error: hook declined"
    r"|fatal: (Could not read from remote|the remote end hung up)|hint: |To |Done$"
)

# What says where a repository is; all else of the caller's environment holds for our Git too.
LOCATION = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
)
# What decides how to reach a remote and who we are there.
HANDED_ON = re.compile(
    r"(http|credential|url|ssh|protocol)\..+|core\.(sshcommand|gitproxy|askpass)", re.DOTALL
)
SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.bigFileThreshold": "1m",  # above it Git streams, and tries no delta
    "core.packedGitWindowSize": "1m",
    "core.packedGitLimit": "16m",
    "fetch.unpackLimit": "1",  # below it Git holds objects in memory
    "fastimport.unpackLimit": "0",
    "pack.compression": "1",  # most objects are compressed already
    "push.gpgSign": "false",
    "push.followTags": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
}

Wanted = dict[str, str]  # an object's name (md5, or md5.dir) -> its path in dvc.lock


def push(root: Path, remote: str, ref: str, limit_mib: int) -> None:
    """Bring what dvc.lock names and the store lacks to the store.

    Raises:
        ProjectError: an object is missing or above the limit, or the remote refuses.
    """
    root = root.resolve()
    settings = _settings(root)
    if _is_git(settings):
        _push(root, Cache(root, settings), remote, ref, limit_mib)
    else:
        _dvc(root, "push")


def _push(root: Path, cache: "Cache", remote: str, ref: str, limit_mib: int) -> None:
    with _workshop(root) as folder:
        store = Store(Git(root, folder, remote), ref)
        _upload(store, cache, _wanted(root, cache), limit_mib)


def pull(root: Path, remote: str, ref: str) -> None:
    """Bring what dvc.lock names and the cache lacks to the cache, then into the working tree.

    Raises:
        ProjectError: an object is missing or damaged, or the remote cannot be read.
    """
    root = root.resolve()
    settings = _settings(root)
    if _is_git(settings):
        _pull(root, Cache(root, settings), remote, ref)
    else:
        _dvc(root, "pull", ALLOW_UNRUN)
        _check_complete(root, Cache(root, settings))


def _pull(root: Path, cache: "Cache", remote: str, ref: str) -> None:
    with _workshop(root) as folder:
        if cache.lacking(_wanted(root, cache)):
            _download(Store(Git(root, folder, remote), ref), cache, root)
        else:
            print("pull: the cache has every object that dvc.lock names", flush=True)
    _dvc(root, "checkout", ALLOW_UNRUN)


def _check_complete(root: Path, cache: "Cache") -> None:
    if lacking := cache.lacking(_wanted(root, cache)):
        raise ProjectError(f"DVC's remote lacks {_first(lacking)}: {MEND}")


def _settings(root: Path) -> Any:
    """DVC's own reading of its configuration, from every level that it knows."""
    if not (root / ".dvc").is_dir():
        raise ProjectError(f"{str(root)!r} is no DVC project: run this in the project's folder")
    dvc = import_module("dvc.config")  # dvc has no types, and costs 0.2 s: only here
    try:
        return dvc.Config(str(root / ".dvc"))
    except dvc.ConfigError as error:
        raise ProjectError(f".dvc/config cannot be read: {_folded(error)}; mend it") from None


def _is_git(settings: Any) -> bool:
    """Whether DVC has no remote of its own.

    The template gives it one in the device /dev/null, whose address is the advice that a bare
    `dvc push` ends with. A remote without an address would break `dvc checkout` and `dvc diff` too.
    """
    remote = settings["remote"].get(settings["core"].get("remote"), {})
    return str(remote.get("url", NOWHERE)).startswith(NOWHERE)


def _dvc(root: Path, command: str, *options: str) -> None:
    sys.stdout.flush()
    line = [sys.executable, "-m", "dvc", command, *options]
    code = subprocess.run(line, cwd=root, check=False).returncode
    if code:
        raise ProjectError(f"`dvc {command}` ended with exit code {code}: its last lines say why")


def _folded(text: object) -> str:
    return " ".join(str(text).split())


# What dvc.lock names


def _wanted(root: Path, cache: "Cache") -> Wanted:
    """Every object to hold, children of folders included where the cache has the folder's list."""
    files = _lock_files(root)
    if not files:
        raise ProjectError(f"there is no dvc.lock in {str(root)!r}: run `make repro` first")
    wanted: Wanted = {}
    for file in files:
        for name, path in _outs(root, file):
            wanted.setdefault(name, path)
            if name.endswith(".dir") and cache.has(name):
                for child, inner in cache.children(name, path):
                    wanted.setdefault(child, inner)
    return wanted


def _lock_files(root: Path) -> list[str]:
    """dvc.lock, and the .dvc files of whoever uses `dvc add`."""
    kinds = [":(glob)**/dvc.lock", ":(glob)**/*.dvc"]
    listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *kinds]
    found = _clone(root, *listing).split("\0")
    return sorted({file for file in found if file and (root / file).is_file()})


def _outs(root: Path, file: str) -> Iterator[tuple[str, str]]:
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
            f"{path.name} is not valid YAML ({_folded(error)}): settle the merge conflict in it, "
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
                found = _copy(chunks, file)
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


def _copy(chunks: Iterable[bytes], target: IO[bytes]) -> str:
    """Write the chunks and return their MD5."""
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()


def _chunks(source: IO[bytes], size: int) -> Iterator[bytes]:
    """Exactly `size` bytes, or fewer where the source ends."""
    while size and (chunk := source.read(min(size, MIB))):
        size -= len(chunk)
        yield chunk


# Git, in a repository that lives for one command


@contextmanager
def _workshop(root: Path) -> Iterator[Path]:
    """A folder of our own under .dvc/tmp; what an earlier, killed run left there goes."""
    parent = root / ".dvc" / "tmp"
    parent.mkdir(exist_ok=True)
    with (parent / "store.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another push or pull of this project", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in parent.glob("store-*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="store-", dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _surroundings() -> dict[str, str]:
    """The caller's environment without the place of another repository, in plain English."""
    kept = {key: value for key, value in os.environ.items() if key not in LOCATION}
    return {**kept, "LC_ALL": "C", "LANGUAGE": "", "GIT_TERMINAL_PROMPT": "0"}


def _clone(root: Path, *command: str) -> str:
    """Ask the user's clone; nothing here writes to it."""
    try:
        done = subprocess.run(
            ["git", *command], cwd=root, env=_surroundings(), capture_output=True, check=True
        )
    except FileNotFoundError:
        raise ProjectError("git, which holds the store, is not installed: install it") from None
    except subprocess.CalledProcessError as error:
        last = _last_line(error.stderr.decode(errors="replace"))
        raise ProjectError(
            f"Git cannot read the repository at {str(root)!r} ({last}): "
            "run the command in the project's folder, and `git init` if it is new"
        ) from None
    return done.stdout.decode(errors="surrogateescape")


def _last_line(output: str) -> str:
    """The last line that says something, quoted; Git itself leaves out an address's password."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if not NOISE.match(line)] or lines or ["no output"]
    return repr(telling[-1])


class GitFailed(Exception):
    """A Git command that ended with an error; its argument is the output."""


class Git:
    """A bare repository that knows the clone's remote, and how the clone gets there."""

    def __init__(self, root: Path, folder: Path, remote: str) -> None:
        self.remote, self.folder = remote, folder
        shown = _clone(root, "rev-parse", "--show-object-format", "--show-toplevel")
        kind, _, top = shown.partition("\n")
        self.top = Path(top.removesuffix("\n"))  # a relative address of a remote counts from here
        bare = folder / "git"
        plain = ["--quiet", "--bare", "--template=", f"--object-format={kind}"]
        _clone(root, "init", *plain, str(bare))
        self.env = {**_surroundings(), "GIT_DIR": str(bare)}
        self._configure(_pairs(_clone(root, "config", "--list", "-z")))

    def _configure(self, theirs: list[tuple[str, str]]) -> None:
        """Hand on what reaches the remote, by environment: a command line is public.

        A setting that holds for our repository anyway (a global one) is not repeated, since a
        header sent twice is refused.
        """
        ours = _pairs(self.run("config", "--list", "-z"))
        handed: list[tuple[str, str]] = []
        for pair in theirs:
            if pair in ours:
                ours.remove(pair)
            elif self._is_needed(pair[0]):
                handed.append(pair)
        self._check_address(dict(theirs).get(f"remote.{self.remote}.url"))
        handed += _job_token(pair[0] for pair in [*ours, *handed])
        start = int(self.env.get("GIT_CONFIG_COUNT") or 0)
        for number, (key, value) in enumerate([*handed, *SETTINGS.items()], start):
            self.env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
            self.env["GIT_CONFIG_COUNT"] = str(number + 1)

    def _is_needed(self, key: str) -> bool:
        ways = ("url", "pushurl", "proxy", "proxyauthmethod", "uploadpack", "receivepack")
        named = [f"remote.{self.remote}.{way}" for way in ways]
        return key in named or bool(HANDED_ON.fullmatch(key))

    def _check_address(self, address: str | None) -> None:
        if address is None or self.remote.startswith("-"):
            raise ProjectError(
                f"Git has no remote {self.remote!r}, where the store is kept: "
                f"add it with `git remote add {self.remote.lstrip('-')} <address>`"
            )
        if address.startswith("-"):
            raise ProjectError(
                f"the address {address!r} of the remote {self.remote!r} looks like an option: "
                f"set another with `git remote set-url {self.remote} <address>`"
            )

    def run(self, *command: str) -> str:
        """Run a short command and return its output."""
        process = self.start(*command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with process:
            output, errors = process.communicate()
        if process.returncode:
            raise GitFailed(errors.decode(errors="replace"))
        return output.decode(errors="surrogateescape")

    def run_shown(self, *command: str, stdin: str = "") -> str:
        """Run a long command and return its lines; progress is for a person at a terminal."""
        with tempfile.TemporaryFile(dir=self.folder) as source:
            source.write(stdin.encode())
            source.seek(0)
            process = self.start(*command, stdin=source, stderr=subprocess.STDOUT)
        with process:
            assert process.stdout
            output = "".join(_progress(process.stdout))
        if process.returncode:
            raise GitFailed(output)
        return output

    def start(self, *command: str, stdin: Any, stderr: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["git", *command],
            cwd=self.top,
            env=self.env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )


def _job_token(known: Iterable[str]) -> list[tuple[str, str]]:
    """In a job of GitHub Actions that was given GITHUB_TOKEN: the header that it stands for.

    A checkout that keeps no credentials needs it; one that keeps them has a header already, and two
    would be refused.
    """
    server, token = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_TOKEN")
    if not (server and token) or any(key.endswith(".extraheader") for key in known):
        return []
    login = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return [(f"http.{server}/.extraheader", f"AUTHORIZATION: basic {login}")]


def _pairs(listing: str) -> list[tuple[str, str]]:
    """Key and value of each entry of `git config --list -z`; a key alone means true."""
    split = (entry.partition("\n") for entry in listing.split("\0") if entry)
    return [(key, value if found else "true") for key, found, value in split]


def _progress(stream: IO[bytes]) -> Iterator[str]:
    """The lines that are no progress; those that are go to the terminal, if it is one."""
    for raw in stream:
        for part in raw.decode(errors="replace").splitlines():
            if not re.search(r"(objects|deltas): +\d+%", part):
                yield part + "\n"
            elif sys.stderr.isatty():
                print(f"\r{part}", end="\n" if "done" in part else "", file=sys.stderr, flush=True)


# The store


class Tip(NamedTuple):
    """What the store's ref holds: the commit, if there is one, and the blob of each object."""

    commit: str | None
    blobs: dict[str, str]


class Store:
    """The store's ref on the remote."""

    def __init__(self, git: Git, ref: str) -> None:
        self.git, self.ref = git, ref
        try:
            git.run("check-ref-format", ref)
        except GitFailed:
            ref = ""
        if not ref.startswith("refs/"):
            raise ProjectError(
                f"the store's ref {self.ref!r} is no full name of a ref: take refs/dvc/store"
            )

    def __str__(self) -> str:
        return f"{self.ref} of {self.git.remote!r}"

    def tip(self) -> Tip:
        """Fetch the newest commit and its trees, but no object."""
        try:
            self._fetch("--depth=1", "--filter=blob:none", refspecs=[f"+{self.ref}:{THEIRS}"])
        except GitFailed as error:
            if "couldn't find remote ref" in str(error):
                return Tip(None, {})
            raise self._unreadable(error) from None
        commit = self.git.run("rev-parse", THEIRS).strip()
        entries = self.git.run("ls-tree", "-r", "-z", "--full-tree", commit, "files/md5/")
        found = (ENTRY.fullmatch(entry) for entry in entries.split("\0"))
        return Tip(commit, {entry[2] + entry[3]: entry[1] for entry in found if entry})

    def _fetch(self, *options: str, refspecs: Sequence[str] = (), stdin: str = "") -> None:
        # Without negotiation Git neither offers nor needs what this repository holds.
        start = ["-c", "fetch.negotiationAlgorithm=noop", "fetch", "--progress"]
        quiet = ["--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
        remote = ["--", self.git.remote, *refspecs]
        self.git.run_shown(*start, *quiet, *options, *remote, stdin=stdin)

    def _unreadable(self, error: GitFailed) -> ProjectError:
        return ProjectError(
            f"the store ({self}) cannot be read: Git says {_last_line(str(error))}; check the "
            f"address (`git remote -v`), the network and your access with `git fetch`"
        )

    def fetch(self, blobs: list[str]) -> None:
        """Fetch these blobs in one request; all, from a server that hands out none singly."""
        held = self.git.run("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
        absent = sorted(set(blobs).difference(held.split()))
        if not absent:
            return  # a server without filters has sent them with the trees
        try:
            self._fetch("--filter=blob:none", "--stdin", stdin="\n".join(absent) + "\n")
        except GitFailed as error:
            if not UNFETCHABLE.search(str(error)):
                raise self._unreadable(error) from None
            whole = ("--depth=1", "--no-filter", "--refetch")
            self._fetch(*whole, refspecs=[f"+{self.ref}:{THEIRS}"])

    def read(self, blobs: list[str]) -> Iterator[Iterator[bytes]]:
        """The content of each blob in turn, in chunks, from one process."""
        pipe = subprocess.PIPE
        with self.git.start("cat-file", "--batch", stdin=pipe, stderr=None) as process:
            assert process.stdin
            assert process.stdout
            for blob in blobs:
                process.stdin.write(f"{blob}\n".encode())
                process.stdin.flush()
                size = int(process.stdout.readline().split()[2])
                yield _chunks(process.stdout, size)
                process.stdout.read(1)

    def write(self, wanted: Wanted, cache: Cache) -> dict[str, str]:
        """Take objects from the cache into our repository and return the blob of each.

        Raises:
            ProjectError: an object of the cache is not what its name says.
        """
        marks = self.git.folder / "marks"
        with self._importing(f"--export-marks={marks}") as sink:
            for mark, (name, path) in enumerate(wanted.items(), 1):
                _write_blob(sink, mark, cache.path(name), name, path)
        numbered = (line.split() for line in marks.read_text().splitlines())
        blobs = {int(mark[1:]): blob for mark, blob in numbered}
        return {name: blobs[mark] for mark, name in enumerate(wanted, 1)}

    def commit(self, tip: Tip, blobs: dict[str, str]) -> str:
        """Commit the blobs on top of the tip and return the commit."""
        message = f"{len(blobs)} objects\n"
        head = f"commit {OURS}\ncommitter {IDENTITY} {int(time.time())} +0000\n"
        parent = f"from {tip.commit}\n" if tip.commit else ""
        with self._importing("--force") as sink:
            sink.write(f"{head}data {len(message)}\n{message}{parent}".encode())
            for name, blob in blobs.items():
                sink.write(f"M 100644 {blob} files/md5/{name[:2]}/{name[2:]}\n".encode())
        return self.git.run("rev-parse", OURS).strip()

    @contextmanager
    def _importing(self, option: str) -> Iterator[IO[bytes]]:
        """One `git fast-import`; if the body fails it is killed before it keeps anything."""
        command = ["fast-import", "--quiet", "--done", option]
        with self.git.start(*command, stdin=subprocess.PIPE, stderr=None) as process:
            assert process.stdin
            try:
                with suppress(BrokenPipeError):  # then it has died, and its exit code says so
                    yield process.stdin
                    process.stdin.write(b"done\n")
                    process.stdin.close()
            except BaseException:
                process.kill()
                raise
            finally:
                with suppress(BrokenPipeError):
                    process.stdin.close()
        if process.returncode:
            raise ProjectError("git fast-import failed, as said above: is the disk full?")

    def send(self, commit: str, tip: Tip) -> str:
        """Push the commit; what Git says when another push was first, and nothing otherwise.

        Raises:
            ProjectError: the remote refuses, or cannot be reached.
        """
        target = f"{commit}:{self.ref}"
        options = ["--porcelain", "--progress", "--no-thin"]
        try:
            self.git.run_shown("push", *options, "--", self.git.remote, target)
        except GitFailed as error:
            refusal = _refusal(str(error))
            if RACE.search(str(error)) or self._has_moved(str(error), tip):
                return refusal
            raise ProjectError(
                f"the store ({self}) took nothing: Git says {refusal}; "
                "check the network and your right to write with `git push --dry-run`"
            ) from None
        return ""

    def _has_moved(self, output: str, tip: Tip) -> bool:
        """Whether a refusal in words that we do not know came from a push that was first."""
        return "[remote rejected]" in output and self.tip().commit != tip.commit


def _write_blob(sink: IO[bytes], mark: int, source: Path, name: str, path: str) -> None:
    with source.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        sink.write(f"blob\nmark :{mark}\ndata {size}\n".encode())
        found = _copy(_chunks(file, size), sink)
        sink.write(b"\n")
    if found != name[:32]:
        raise ProjectError(
            f"the cache's object for {path!r} is damaged (its MD5 is {found}, not {name[:32]}): "
            f"delete {str(source)!r}, then `make pull` or `make repro`; nothing was pushed"
        )


def _refusal(output: str) -> str:
    """What the remote said, and Git's reason, which may be on another line."""
    reason = re.search(r"\[(?:remote )?rejected\].*", output)
    said = re.findall(r"^remote: +(\S.*?) *$", output, re.MULTILINE)
    telling = [line for line in said if not NOISE.match(line)]
    lines = [*telling[-1:], *([reason[0]] if reason else [])]
    return ", ".join(map(_last_line, lines)) or _last_line(output)


# The two commands


def _download(store: Store, cache: Cache, root: Path) -> None:
    """At most twice: a folder's list comes before the files that it names."""
    tip = store.tip()
    while lacking := cache.lacking(_wanted(root, cache)):
        _check_held(store, tip, lacking)
        print(f"pull: {_count(lacking)} from {store}", flush=True)
        _take(store, {name: tip.blobs[name] for name in lacking}, cache, lacking)


def _check_held(store: Store, tip: Tip, lacking: Wanted) -> None:
    if absent := {name: path for name, path in lacking.items() if name not in tip.blobs}:
        raise ProjectError(f"the store ({store}) lacks {_first(absent)}: {MEND}")


def _take(store: Store, blobs: dict[str, str], cache: Cache, lacking: Wanted) -> None:
    cache.folder.mkdir(parents=True, exist_ok=True)
    store.fetch(list(blobs.values()))
    contents = store.read(list(blobs.values()))
    for name, chunks in zip(blobs, contents, strict=True):
        cache.add(name, lacking[name], chunks, store.git.folder)


def _count(objects: Wanted) -> str:
    return f"{len(objects)} object{'s' * (len(objects) != 1)}"


def _first(lacking: Wanted) -> str:
    name, path = next(iter(lacking.items()))
    return f"{_count(lacking)} that dvc.lock names, first {path!r} ({name})"


def _upload(store: Store, cache: Cache, wanted: Wanted, limit_mib: int) -> None:
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
            f"cache and store ({store}) both lack {_first(absent)}: run `make repro`, "
            "or `make push` where the pipeline was run and then `make pull` here"
        )
    sizes = {name: cache.path(name).stat().st_size for name in lacking}
    largest = max(sizes, key=sizes.__getitem__)
    if sizes[largest] > limit_mib * MIB:
        raise ProjectError(
            f"{lacking[largest]!r} has {sizes[largest] / MIB:.1f} MiB, and the Git host takes no "
            f"object above {limit_mib} MiB: keep the objects in a bucket (s3, gs, azure) with "
            "`dvc remote add -d store s3://...`; nothing was pushed"
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
