"""The store's ref on a Git remote, and the Git that reads and writes it.

All of Git's work happens in a bare repository under .dvc/tmp that lives for one command, so the
user's clone never gains an object, a ref or a setting.
"""

import base64
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..errors import ProjectError
from .objects import Cache, Wanted, read_chunks, write_chunks

OURS = "refs/heads/next"
THEIRS = "refs/heads/store"
IDENTITY = "DVC store <store@localhost>"  # so that pushing needs no user.name and no user.email

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
SILENCE = {"http.lowSpeedLimit": "1", "http.lowSpeedTime": "300"}
"""After five minutes without a byte Git gives up; by itself it waits until the job's limit."""

SETTINGS = {
    **SILENCE,
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


# Git, in a repository that lives for one command


@contextmanager
def workshop(root: Path) -> Iterator[Path]:
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


def lock_files(root: Path) -> list[str]:
    """dvc.lock, and the .dvc files of whoever uses `dvc add`."""
    kinds = [":(glob)**/dvc.lock", ":(glob)**/*.dvc"]
    listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *kinds]
    found = _clone(root, *listing).split("\0")
    return sorted({file for file in found if file and (root / file).is_file()})


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
        handed += job_token(pair[0] for pair in [*ours, *handed])
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


def job_token(known: Iterable[str]) -> list[tuple[str, str]]:
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

    folder, entry = "files/md5/", ENTRY

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
        entries = self.git.run("ls-tree", "-r", "-z", "--full-tree", commit, self.folder)
        found = (self.entry.fullmatch(entry) for entry in entries.split("\0"))
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
                yield read_chunks(process.stdout, size)
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

    def send(self, commit: str, tip: Tip, *more: str) -> str:
        """Push the commit; what Git says when another push was first, and nothing otherwise.

        Raises:
            ProjectError: the remote refuses, or cannot be reached.
        """
        target = f"{commit}:{self.ref}"
        options = ["--porcelain", "--progress", "--no-thin", *more]
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
        found = write_chunks(read_chunks(file, size), sink)
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
    own = [line for line in output.splitlines() if not line.startswith("remote: ")]
    said_here = [line for line in own if line.strip() and not NOISE.match(line.strip())]
    lines = [*telling[-1:], *([reason[0]] if reason else said_here[-1:])]
    return ", ".join(map(_last_line, lines)) or _last_line(output)
