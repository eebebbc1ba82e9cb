"""The default store: DVC's objects on a ref of the project's own Git remote."""

import hashlib
import importlib
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from baking import BakedProject

SOURCE = Path(__file__).parents[1] / "<<cookiecutter.project>>/src/<<cookiecutter.package>>"
REF = "refs/dvc/store"
ME = ["-c", "user.name=Tester", "-c", "user.email=tester@localhost"]
GIT = shutil.which("git") or "git"
RUN = """
import sys
from pathlib import Path
from project import errors
from project.storage import store
try:
    if sys.argv[1] == "push":
        store.push(Path.cwd(), "origin", "refs/dvc/store", 100)
    else:
        store.pull(Path.cwd(), "origin", "refs/dvc/store")
except errors.ProjectError as error:
    sys.exit(f"error: {error}")
"""
JOB_LOGIN = "eC1hY2Nlc3MtdG9rZW46b2YtdGhlLWpvYg=="  # x-access-token:of-the-job
CONFIG = """
[core]
    remote = git
['remote "git"']
    url = /dev/null/use make push and make pull
"""
PIPELINE = """
stages:
  data:
    cmd: mkdir -p data && echo one > data/a.txt && mkdir data/in && echo two > data/in/b.txt
    outs: [data]
  model:
    cmd: cat data/a.txt data/in/b.txt > model.bin && echo '{"auc":0.5}' > metrics.json
    deps: [data]
    outs: [model.bin]
    metrics: [{metrics.json: {cache: false}}]
"""


# What the tests stand on


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for sys.path in which the template's package has an importable name.

    It is a copy, so that Python writes no byte code into the template.
    """
    folder = tmp_path_factory.mktemp("packages")
    shutil.copytree(SOURCE, folder / "project", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME, Git and DVC of this test alone; no identity is configured anywhere."""
    foreign = ("GIT_", "DVC_", "XDG_", "GITHUB_")
    for name in [name for name in os.environ if name.startswith(foreign)]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n\tuseConfigOnly = true\n[init]\n\tdefaultBranch = main\n")
    folders = ["CACHE_HOME", "CONFIG_HOME", "DATA_HOME", "STATE_HOME"]
    values = {f"XDG_{name}": home / name for name in folders} | {
        "HOME": home,
        "GIT_CONFIG_GLOBAL": settings,
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_SITE_CACHE_DIR": home / "site",
        "DVC_GLOBAL_CONFIG_DIR": home / "global",
        "DVC_SYSTEM_CONFIG_DIR": home / "system",
        "DVC_NO_ANALYTICS": "1",
        "PYTHONPATH": packages,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    return settings


@pytest.fixture
def store(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(packages))
    return importlib.import_module("project.storage.store")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A bare repository that can do what GitHub's can."""
    folder = tmp_path / "origin.git"
    git(tmp_path, "init", "--quiet", "--bare", str(folder))
    git(folder, "config", "uploadpack.allowFilter", "true")
    return folder


def git(folder: Path, *command: str, check: bool = True, stdin: bytes = b"") -> str:
    done = subprocess.run(
        [GIT, *command], cwd=folder, check=check, input=stdin, capture_output=True
    )
    return done.stdout.decode().strip()


def dvc(folder: Path, *command: str, check: bool = True) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *command], cwd=folder, capture_output=True, text=True
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@dataclass
class Project:
    """A DVC project whose lock file and cache are written by hand."""

    folder: Path
    outs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        return self.folder / ".dvc/cache/files/md5"

    def keep(self, content: bytes, suffix: str = "") -> str:
        name = md5(content) + suffix
        path = self.cache / name[:2] / name[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    def add(self, path: str, content: bytes) -> str:
        """A stage with one file."""
        name = self.keep(content)
        self.outs[path] = {"path": path, "hash": "md5", "md5": name, "size": len(content)}
        return self.lock(name)

    def add_folder(self, path: str, files: dict[str, bytes]) -> str:
        """A stage with one folder."""
        entries = [{"md5": self.keep(text), "relpath": name} for name, text in files.items()]
        name = self.keep(json.dumps(entries).encode(), ".dir")
        self.outs[path] = {"path": path, "hash": "md5", "md5": name, "nfiles": len(files)}
        return self.lock(name)

    def lock(self, name: str) -> str:
        stages = {path: {"cmd": "true", "outs": [out]} for path, out in self.outs.items()}
        declared = {path: {"cmd": "true", "outs": [path]} for path in self.outs}
        self.write("dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))
        self.write("dvc.yaml", yaml.safe_dump({"stages": declared}))
        self.write(".gitignore", "".join(f"/{path}\n" for path in self.outs))
        return name

    def write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text)

    def commit(self) -> "Project":
        git(self.folder, "add", "--all")
        git(self.folder, *ME, "commit", "--quiet", "--allow-empty", "--message", "a commit")
        git(self.folder, "push", "--quiet", "origin", "HEAD")
        return self

    def start(self, command: str, **more: str) -> subprocess.Popen[str]:
        """`make push` or `make pull` as a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", RUN, command],
            cwd=self.folder,
            env={**os.environ, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str, **more: str) -> str:
        process = self.start(command, **more)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return output

    def holds(self, name: str) -> bool:
        return (self.cache / name[:2] / name[2:]).exists()

    def unsound(self) -> list[str]:
        """Cache files that are not what their name says."""
        files = [path for path in self.cache.rglob("*") if path.is_file()]
        names = {path: path.parent.name + path.name for path in files}
        return [name for path, name in names.items() if md5(path.read_bytes()) != name[:32]]


def new(folder: Path, address: str | Path | None) -> Project:
    """An empty project as the template renders it, with `origin` at the address."""
    (folder / ".dvc").mkdir(parents=True)
    git(folder, "init", "--quiet")
    if address:
        git(folder, "remote", "add", "origin", str(address))
    project = Project(folder)
    project.write(".dvc/config", CONFIG)
    project.write(".dvc/.gitignore", "/config.local\n/tmp\n/cache\n")
    return project


@pytest.fixture
def project(tmp_path: Path, origin: Path) -> Project:
    """A project with a folder of two files and one file, committed but not in the store."""
    project = new(tmp_path / "one", origin.as_uri())
    project.add_folder("data", {"a.txt": b"one\n", "in/b.txt": b"two\n"})
    project.add("model.bin", b"model\n")
    return project.commit()


def clone(origin: Path | str, folder: Path, *options: str) -> Project:
    address = origin.as_uri() if isinstance(origin, Path) else origin
    git(folder.parent, *options, "clone", "--quiet", address, str(folder))
    return Project(folder)


def push(store: Any, project: Project, limit_mib: int = 100) -> None:
    store.push(project.folder, "origin", REF, limit_mib)


def pull(store: Any, project: Project) -> None:
    store.pull(project.folder, "origin", REF)


def refusal(store: Any, action: Any, *arguments: Any) -> str:
    """The one sentence that the action ends with."""
    with pytest.raises(store.ProjectError) as caught:
        action(store, *arguments)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def tip(origin: Path) -> str:
    return git(origin, "rev-parse", "--verify", "--quiet", REF, check=False)


def stored(origin: Path) -> set[str]:
    """The names of the objects in the store."""
    paths = git(origin, "ls-tree", "-r", "--name-only", REF, check=False).splitlines()
    return {path.removeprefix("files/md5/").replace("/", "") for path in paths}


def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git that notes each of its command lines comes first in PATH."""
    folder, log = tmp_path / "traced", tmp_path / "commands"
    folder.mkdir()
    script = folder / "git"
    script.write_text(f'#!/bin/sh\necho "$*" >> "{log}"\nexec "{GIT}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    log.touch()
    return log


# There and back


def test_a_clone_restores_everything_and_trains_nothing(
    store: Any, origin: Path, tmp_path: Path
) -> None:
    """Repro, push, clone, pull: the files are there, DVC has nothing to do and Git sees nothing."""
    first = new(tmp_path / "one", origin.as_uri())
    first.write("dvc.yaml", PIPELINE)
    dvc(first.folder, "repro")
    first.commit()
    push(store, first)
    second = clone(origin, tmp_path / "two")
    assert not (second.folder / "model.bin").exists()
    pull(store, second)
    assert (second.folder / "model.bin").read_text() == "one\ntwo\n"
    assert (second.folder / "data/in/b.txt").read_text() == "two\n"
    assert "Running stage" not in dvc(second.folder, "repro")
    assert "up to date" in dvc(second.folder, "status")
    assert git(second.folder, "status", "--porcelain") == ""


@pytest.mark.slow
def test_the_store_is_laid_out_as_a_dvc_remote(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """The ref's tree, checked out, is a remote that `dvc pull` itself reads."""
    push(store, project)
    remote = tmp_path / "remote"
    remote.mkdir()
    git(origin, f"--work-tree={remote}", "checkout", REF, "--", ".")
    second = clone(origin, tmp_path / "two")
    dvc(second.folder, "remote", "add", "--local", "--default", "plain", str(remote))
    dvc(second.folder, "pull")
    assert (second.folder / "model.bin").read_bytes() == b"model\n"


def test_metrics_that_live_in_git_are_not_stored(store: Any, origin: Path, tmp_path: Path) -> None:
    """An output with `cache: false` is neither asked for nor pushed, templated paths included."""
    project = new(tmp_path / "one", origin.as_uri())
    kept = project.keep(b"kept")
    out = {"hash": "md5", "md5": kept}
    gone = {"hash": "md5", "md5": md5(b"in git")}
    stages = {
        "train": {"outs": [{"path": "model", **out}, {"path": "metrics.json", **gone}]},
        "score@a": {"outs": [{"path": "scores/a.json", **gone}]},
    }
    declared = {
        "train": {
            "cmd": "true",
            "outs": ["model"],
            "metrics": [{"metrics.json": {"cache": False}}],
        },
        "score": {
            "foreach": ["a"],
            "do": {"cmd": "true", "plots": [{"scores/${item}.json": {"cache": False, "x": "x"}}]},
        },
    }
    project.write("dvc.lock", yaml.safe_dump({"stages": stages}))
    project.write("dvc.yaml", yaml.safe_dump({"stages": declared}))
    push(store, project.commit())
    assert stored(origin) == {kept}


def test_data_of_dvc_add_is_stored_too(store: Any, project: Project, origin: Path) -> None:
    """A team's own .dvc files are no second-class citizens."""
    (project.folder / "extra.csv").write_text("a,b\n")
    dvc(project.folder, "add", "--quiet", "extra.csv")
    push(store, project)
    assert md5(b"a,b\n") in stored(origin)


@pytest.mark.slow
def test_a_configured_cache_is_used(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """`cache.dir` decides where objects come from and go to."""
    push(store, project)
    second = clone(origin, tmp_path / "two")
    dvc(second.folder, "cache", "dir", "--local", str(tmp_path / "shared"))
    pull(store, second)
    assert sum(path.is_file() for path in (tmp_path / "shared/files/md5").rglob("*")) == 4
    assert not second.cache.exists()
    assert (second.folder / "model.bin").read_bytes() == b"model\n"


def test_a_second_push_says_that_there_is_nothing_to_push(
    store: Any, project: Project, origin: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Twice is once: no commit is added."""
    push(store, project)
    before = tip(origin)
    assert "4 objects" in capfd.readouterr().out
    push(store, project)
    assert "nothing to push" in capfd.readouterr().out
    assert tip(origin) == before


def test_a_push_adds_only_what_the_store_lacks(store: Any, project: Project, origin: Path) -> None:
    """A second push commits one new object on top of the first commit."""
    push(store, project)
    before = tip(origin)
    name = project.add("model.bin", b"another model\n")
    push(store, project)
    assert git(origin, "rev-parse", f"{REF}^") == before
    changed = git(origin, "diff", "--name-status", before, REF)
    assert changed == f"A\tfiles/md5/{name[:2]}/{name[2:]}"


def test_the_history_is_an_orphan_with_an_identity_of_its_own(
    store: Any, project: Project, origin: Path
) -> None:
    """No user.name is configured here, and the store shares no commit with a branch."""
    push(store, project)
    assert git(origin, "log", "--format=%an|%P", REF) == "DVC store|"


def test_large_pushes_go_in_batches_with_a_folder_after_its_files(
    store: Any, project: Project, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that limits a push gets several, and none leaves a folder without its files."""
    monkeypatch.setattr(store, "BATCH", 1)
    push(store, project)
    commits = git(origin, "log", "--reverse", "--format=%H", REF).splitlines()
    assert len(commits) == 4
    last = git(origin, "diff", "--name-only", f"{commits[-2]}", commits[-1])
    assert last.endswith(".dir")


# Only what is needed


@pytest.fixture
def served(tmp_path: Path, surroundings: Path) -> Path:
    """A file that gets a copy of every byte of a pack that a remote here sends."""
    log, script = tmp_path / "served", tmp_path / "served.sh"
    script.write_text(f'#!/bin/sh\n"$@" | tee -a "{log}"\n')
    script.chmod(0o755)
    with surroundings.open("a") as file:
        file.write(f"[uploadpack]\n\tpackObjectsHook = {script}\n")
    log.touch()
    return log


def test_only_needed_objects_arrive(
    store: Any,
    project: Project,
    origin: Path,
    tmp_path: Path,
    served: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From a store with 20 MB and a history, a pull of some bytes gets some kilobytes."""
    chance = random.Random(1)
    for _ in range(4):
        project.add("model.bin", chance.randbytes(5_000_000))
        push(store, project)
    needed = project.add("model.bin", chance.randbytes(30_000))
    push(store, project.commit())
    second = clone(origin, tmp_path / "two")
    served.write_bytes(b"")
    packets = tmp_path / "packets"
    monkeypatch.setenv("GIT_TRACE_PACKET", str(packets))
    pull(store, second)
    assert second.holds(needed)
    assert 30_000 < served.stat().st_size < 36_000
    assert any(line.endswith("deepen 1") for line in packets.read_text().splitlines())


def test_a_push_fetches_no_object(
    store: Any, project: Project, origin: Path, tmp_path: Path, served: Path
) -> None:
    """To push a few bytes onto a store with 5 MB, its trees are enough."""
    project.add("model.bin", random.Random(1).randbytes(5_000_000))
    push(store, project.commit())
    second = clone(origin, tmp_path / "two")
    second.add("model.bin", b"small\n")
    served.write_bytes(b"")
    push(store, second)
    assert 0 < served.stat().st_size < 3_000


def test_objects_are_fetched_in_one_request_for_each_kind(
    store: Any,
    project: Project,
    origin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three fetches whatever the number: trees, then lists and files, then what the lists name."""
    project.add_folder("data", {f"{n}.txt": b"%d\n" % n for n in range(60)})
    push(store, project.commit())
    second = clone(origin, tmp_path / "two")
    log = traced(tmp_path, monkeypatch)
    pull(store, second)
    commands = log.read_text().splitlines()
    assert sum(" fetch " in f" {line} " for line in commands) == 3
    assert len(commands) < 20


def test_nothing_is_asked_of_a_remote_when_the_cache_is_complete(
    store: Any, project: Project, origin: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without its remote a complete project still gets its files."""
    shutil.rmtree(origin)
    pull(store, project)
    assert "the cache has every object" in capfd.readouterr().out
    assert (project.folder / "model.bin").read_bytes() == b"model\n"


@pytest.mark.parametrize("server", ["no filters", "filters without single objects"])
def test_a_lesser_server_works_too(
    store: Any, project: Project, origin: Path, tmp_path: Path, server: str
) -> None:
    """A server that knows no partial clones sends more, and the result is the same."""
    if server == "no filters":
        git(origin, "config", "uploadpack.allowFilter", "false")
    push(store, project)
    second = clone(origin, tmp_path / "two")
    if server == "filters without single objects":
        git(second.folder, "config", "protocol.version", "0")
    pull(store, second)
    assert (second.folder / "data/a.txt").read_bytes() == b"one\n"


# The clone stays as it is


def snapshot(project: Project) -> dict[str, bytes]:
    files = [path for path in (project.folder / ".git").rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files}


def test_the_clone_gains_no_object_no_ref_and_no_setting(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """Not a byte under .git differs after a push and a pull, and no workshop is left."""
    before = snapshot(project)
    push(store, project)
    assert snapshot(project) == before
    second = clone(origin, tmp_path / "two")
    before = snapshot(second)
    pull(store, second)
    after = snapshot(second)
    assert [name for name in after if before.get(name) != after[name]] == []
    assert list(second.folder.glob(".dvc/tmp/store-*")) == []


def test_no_clone_carries_the_store(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """A full clone has neither the ref nor its commit."""
    push(store, project)
    second = clone(origin, tmp_path / "two")
    assert "dvc" not in git(second.folder, "for-each-ref")
    with pytest.raises(subprocess.CalledProcessError):
        git(second.folder, "cat-file", "-e", tip(origin))


def test_what_a_killed_run_left_is_swept_up(store: Any, project: Project) -> None:
    """The next push removes the workshop of one that had no time to."""
    left = project.folder / ".dvc/tmp/store-dead/git/objects"
    left.mkdir(parents=True)
    push(store, project)
    assert not left.exists()


def test_a_hook_of_another_repository_does_not_mislead(
    store: Any, project: Project, origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GIT_DIR, as Git sets it for hooks, says nothing about this project."""
    other = new(tmp_path / "other", None)
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git/index"))
    push(store, project)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name)
    assert len(stored(origin)) == 4


def test_a_hook_of_the_user_is_not_run(
    store: Any, project: Project, surroundings: Path, tmp_path: Path
) -> None:
    """A pre-push hook that tests the code has no say in the store's commits."""
    hook = tmp_path / "hooks/pre-push"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with surroundings.open("a") as file:
        file.write(f"[core]\n\thooksPath = {hook.parent}\n")
    push(store, project)


def test_a_project_in_a_subfolder_with_a_relative_address(
    store: Any, origin: Path, tmp_path: Path
) -> None:
    """The address counts from the repository's top, and DVC's folders from the project's."""
    top = new(tmp_path / "top", "../origin.git")
    project = new(top.folder / "sub", None)
    shutil.rmtree(project.folder / ".git")
    name = project.add("model.bin", b"model\n")
    push(store, project)
    assert stored(origin) == {name}


# Two at once, and killed


def test_pushes_at_once_all_survive(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """Four processes push different models at the same moment, onto a store that does not exist."""
    projects = [clone(origin, tmp_path / f"p{number}") for number in range(4)]
    for each in projects:
        each.outs |= project.outs
        shutil.copytree(project.cache, each.cache)
    names = [each.add("model.bin", b"model %d" % n) for n, each in enumerate(projects)]
    processes = [each.start("push") for each in projects]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert set(names) < stored(origin)
    assert len(stored(origin)) == 3 + 4


def competitor(project: Project, origin: Path, tmp_path: Path) -> tuple[str, str]:
    """A commit with one more object that is in the remote but not yet on the ref."""
    other = clone(origin, tmp_path / "competitor")
    name = other.add("other.bin", b"the other's")
    other.outs = {"other.bin": other.outs["other.bin"]}
    other.lock(name)
    before = tip(origin)
    other.run("push")
    commit = tip(origin)
    git(origin, "update-ref", f"{REF}-other", commit)
    git(origin, "update-ref", REF, before)
    return name, commit


def hook(origin: Path, name: str, script: str) -> None:
    path = origin / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("moment", ["before ours", "during ours", "in words only"])
def test_a_lost_race_is_run_again(
    store: Any,
    project: Project,
    origin: Path,
    tmp_path: Path,
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Another push that lands between our fetch and our push survives, and so does ours."""
    push(store, project)
    theirs, commit = competitor(project, origin, tmp_path)
    ours = project.add("model.bin", b"ours")
    move = f"git update-ref {REF} {commit}"
    once = f"test -e {tmp_path}/once && exit 0; touch {tmp_path}/once"
    if moment == "before ours":
        original = store.Store.commit

        def commit_after_the_other(*arguments: Any) -> Any:
            git(origin, "update-ref", REF, commit)
            return original(*arguments)

        monkeypatch.setattr(store.Store, "commit", commit_after_the_other)
    elif moment == "during ours":
        hook(origin, "update", f"{once}; unset GIT_QUARANTINE_PATH; {move}")
    else:
        hook(origin, "update", f"{once}; git update-ref {REF} {commit} 2>/dev/null; exit 1")
        hook(origin, "update", f"{once}; echo 'rejected: non-fast-forward' >&2; exit 1")
    push(store, project)
    assert "another push was first" in capfd.readouterr().out
    assert ours in stored(origin)
    assert moment == "in words only" or theirs in stored(origin)


def test_a_race_that_is_always_lost_ends(
    store: Any, project: Project, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of tries has a limit, and the sentence quotes Git."""
    monkeypatch.setattr(store.time, "sleep", lambda _: None)
    monkeypatch.setattr(store, "ATTEMPTS", 2)
    hook(origin, "update", "echo 'error: non-fast-forward' >&2; exit 1")
    sentence = refusal(store, push, project)
    assert "3 times in a row" in sentence
    assert "non-fast-forward" in sentence


KILLER = """#!/bin/sh
echo x >> "$COUNT"
if [ "$(wc -l < "$COUNT")" -eq "$KILL_AT" ]; then
    [ "$KILL" = after ] && {git} "$@"
    kill -9 0
fi
exec {git} "$@"
"""


def kills(tmp_path: Path, command: str, project: Project) -> Iterator[int]:
    """Run the command again and again, each time killed at a later call of git."""
    folder = tmp_path / "killer"
    folder.mkdir()
    (folder / "git").write_text(KILLER.replace("{git}", GIT))
    (folder / "git").chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    for number in range(2, 100):
        count = tmp_path / "count"
        count.write_text("")
        more = {"COUNT": str(count), "KILL_AT": str(number // 2), "PATH": path}
        process = project.start(command, KILL=("before", "after")[number % 2], **more)
        output, _ = process.communicate()
        if process.returncode == 0:
            return
        assert process.returncode == -signal.SIGKILL, output
        yield number
    raise AssertionError("it never came to an end")


@pytest.mark.slow
def test_a_push_killed_at_every_step_leaves_a_store_that_restores(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """Killed before and after each call of git: no object is lost, and the push is repeated."""
    push(store, project)
    second = clone(origin, tmp_path / "two")
    old = stored(origin)
    project.add_folder("data", {f"{n}.txt": b"%d\n" % n for n in range(20)})
    seen = 0
    for _ in kills(tmp_path, "push", project):
        git(origin, "fsck", "--full", "--strict", "--no-dangling")
        assert old <= stored(origin)
        assert len(stored(origin)) in (4, 25)
        seen += 1
    assert seen >= 10
    assert len(stored(origin)) == 25
    assert list(project.folder.glob(".dvc/tmp/store-*")) == []
    pull(store, second)
    assert (second.folder / "model.bin").read_bytes() == b"model\n"


@pytest.mark.slow
def test_a_pull_killed_at_every_step_leaves_only_whole_objects(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """Killed before and after each call of git, nothing half-written is in the cache."""
    push(store, project)
    second = clone(origin, tmp_path / "two")
    seen = 0
    for _ in kills(tmp_path, "pull", second):
        assert second.unsound() == []
        seen += 1
    assert seen >= 5
    assert (second.folder / "data/in/b.txt").read_bytes() == b"two\n"
    assert list(second.folder.glob(".dvc/tmp/store-*")) == []


@pytest.mark.parametrize("path", ["data/{}", "data/in/{}", "{}"])
def test_what_a_killed_dvc_left_is_swept_away(
    store: Any, project: Project, origin: Path, tmp_path: Path, path: str
) -> None:
    """DVC would take its own unfinished file for a person's; a person's file it still refuses."""
    push(store, project)
    second = clone(origin, tmp_path / "two")
    pull(store, second)
    left = second.folder / path.format(f".{secrets.token_urlsafe(16)}.tmp")
    left.write_text("half")
    (second.folder / "data/a.txt").unlink()
    pull(store, second)
    assert not left.exists()
    assert (second.folder / "data/a.txt").read_bytes() == b"one\n"
    mine = second.folder / "data/.mine.tmp"
    mine.write_text("mine")
    refusal(store, pull, second)
    assert mine.read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["push", "pull"])
def test_killed_at_random_moments(
    store: Any, project: Project, origin: Path, tmp_path: Path, command: str
) -> None:
    """Thirty kills by the clock, in the middle of megabytes, change nothing either."""
    chance = random.Random(7)
    push(store, project)
    old = stored(origin)
    project.add_folder("data", {f"{n}.bin": chance.randbytes(400_000) for n in range(20)})
    target = project
    if command == "pull":
        push(store, project.commit())
        target = clone(origin, tmp_path / "two")
    for _ in range(30):
        process = target.start(command)
        try:
            process.wait(chance.uniform(0.15, 1.2))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        git(origin, "fsck", "--no-dangling")
        assert old <= stored(origin)
        assert target.unsound() == []
    target.run(command)
    third = clone(origin, tmp_path / "three")
    pull(store, third)
    assert (third.folder / "model.bin").read_bytes() == b"model\n"


def test_a_second_push_of_the_same_project_waits(project: Project, origin: Path) -> None:
    """Two pushes in one folder do not sweep each other's workshop away."""
    processes = [project.start("push") for _ in range(3)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, outputs
    assert sum("nothing to push" in output for output in outputs) == 2


# Refusals, one sentence each


def test_an_object_above_the_limit_is_refused_before_anything_is_pushed(
    store: Any, project: Project, origin: Path
) -> None:
    """The sentence has path, size, limit and the way out; at the limit it is still taken."""
    project.add_folder("big", {"table.bin": bytes(2**20 + 2**18)})
    sentence = refusal(store, push, project, 1)
    assert "'big/table.bin' has 1.2 MiB" in sentence
    assert "above 1 MiB" in sentence
    assert "dvc remote modify store url s3://" in sentence
    assert tip(origin) == ""
    project.add_folder("big", {"table.bin": bytes(2**20)})
    push(store, project, 1)
    assert tip(origin)


def poison(origin: Path, name: str, content: bytes) -> None:
    """Put an object with the wrong content on the store's ref."""
    path = f"files/md5/{name[:2]}/{name[2:]}".encode()
    head = b"commit %s\ncommitter X <x> 0 +0000\ndata 0\n" % REF.encode()
    old = f"from {tip(origin)}\n".encode() if tip(origin) else b""
    body = b"M 100644 inline %s\ndata %d\n%s\n" % (path, len(content), content)
    git(origin, "fast-import", "--quiet", stdin=head + old + body)


@pytest.mark.parametrize("which", ["file", "folder"])
def test_a_damaged_object_of_the_store_is_refused(
    store: Any, project: Project, origin: Path, tmp_path: Path, which: str
) -> None:
    """What does not match its name never reaches the cache."""
    push(store, project)
    name = project.outs["model.bin" if which == "file" else "data"]["md5"]
    poison(origin, name, b'[{"md5": "../../../../escaped", "relpath": "x"}]')
    second = clone(origin, tmp_path / "two")
    sentence = refusal(store, pull, second)
    assert ("'model.bin'" if which == "file" else "'data'") in sentence
    assert "damaged" in sentence
    assert not second.holds(name)
    assert second.unsound() == []
    assert not (second.folder / "model.bin").exists()


def test_a_damaged_object_of_the_cache_is_not_pushed(
    store: Any, project: Project, origin: Path
) -> None:
    """The store is not poisoned by a cache that somebody edited."""
    name = project.add("model.bin", b"the model")
    (project.cache / name[:2] / name[2:]).write_bytes(b"edited in place " * 100_000)
    sentence = refusal(store, push, project)
    assert "'model.bin' is damaged" in sentence
    assert tip(origin) == ""


def test_an_object_that_the_store_lacks_names_the_mending_command(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """A lock file that was committed before its push says so, and nothing is written."""
    push(store, project)
    project.add("model.bin", b"never pushed")
    project.commit()
    second = clone(origin, tmp_path / "two")
    sentence = refusal(store, pull, second)
    assert "lacks 1 object that dvc.lock names, first 'model.bin'" in sentence
    assert "`make push` where the pipeline was run" in sentence
    assert not second.cache.exists()


def test_an_empty_store_is_an_object_that_it_lacks(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """Before the first push there is no ref at all, and the sentence is the same."""
    sentence = refusal(store, pull, clone(origin, tmp_path / "two"))
    assert "lacks 2 objects" in sentence
    assert "make push" in sentence


def test_a_push_of_what_is_nowhere_names_the_way_to_make_it(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """Neither here nor there: run the pipeline."""
    second = clone(origin, tmp_path / "two")
    sentence = refusal(store, push, second)
    assert "make repro" in sentence
    assert "make pull" in sentence
    assert tip(origin) == ""


def test_a_push_needs_no_object_that_the_store_has(
    store: Any, project: Project, origin: Path, tmp_path: Path
) -> None:
    """A clone without data that retrained one stage pushes that stage's output."""
    push(store, project)
    second = clone(origin, tmp_path / "two")
    name = second.keep(b"retrained")
    second.write(
        "dvc.lock", (project.folder / "dvc.lock").read_text().replace(md5(b"model\n"), name)
    )
    push(store, second)
    assert name in stored(origin)


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (".git", "git init"),
        (".dvc", "no DVC project"),
        ("dvc.lock", "make repro"),
        ("origin", "git remote add origin"),
    ],
)
@pytest.mark.parametrize("action", [push, pull])
def test_what_a_project_lacks_is_one_sentence(
    store: Any, project: Project, lacking: str, words: str, action: Any
) -> None:
    """No repository, no DVC, no lock file, no remote: each names its next step."""
    shutil.rmtree(project.cache)
    if lacking == "origin":
        git(project.folder, "remote", "remove", "origin")
    elif lacking == "dvc.lock":
        (project.folder / lacking).unlink()
    else:
        shutil.rmtree(project.folder / lacking)
    assert words in refusal(store, action, project)


@pytest.mark.parametrize("action", [push, pull])
def test_an_unreachable_remote_is_quoted_without_its_password(
    store: Any, project: Project, action: Any
) -> None:
    """Git's own words, and no secret of the address in them."""
    git(project.folder, "remote", "set-url", "origin", "http://me:secret@127.0.0.1:9/x.git")
    if action is pull:
        shutil.rmtree(project.cache)
    sentence = refusal(store, action, project)
    assert "unable to access" in sentence
    assert "secret" not in sentence
    assert "git remote -v" in sentence


def test_a_remote_that_refuses_is_quoted_at_once(
    store: Any, project: Project, origin: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A refusal that is no race is not tried again."""
    hook(origin, "pre-receive", "echo 'this repository is read-only' >&2; exit 1")
    sentence = refusal(store, push, project)
    assert "this repository is read-only" in sentence
    assert "pre-receive hook declined" in sentence
    assert "trying again" not in capfd.readouterr().out


@pytest.mark.parametrize("text", ["<<<<<<< ours\nstages: {}\n=======\n", "stages: [\n"])
def test_an_unreadable_lock_file_is_one_sentence(store: Any, project: Project, text: str) -> None:
    """A merge conflict in dvc.lock is named as what it is."""
    project.write("dvc.lock", text)
    assert "merge conflict" in refusal(store, push, project)


@pytest.mark.parametrize("name", ["../../../../etc/passwd", "abc", "0" * 32 + "\n", 7])
def test_a_lock_file_cannot_lead_out_of_the_cache(store: Any, project: Project, name: Any) -> None:
    """An object's name is an MD5 or refused."""
    stages = {"a": {"outs": [{"path": "a", "md5": name}]}}
    project.write("dvc.lock", yaml.safe_dump({"stages": stages}))
    assert "is no MD5" in refusal(store, push, project)


def test_a_folder_list_cannot_lead_out_of_the_cache(store: Any, project: Project) -> None:
    """A list with a right name and a wrong entry is refused, too."""
    name = project.keep(b'[{"md5": "../../../secret", "relpath": "x"}]', ".dir")
    project.outs["data"]["md5"] = name
    project.lock(name)
    assert "damaged" in refusal(store, push, project)


@pytest.mark.parametrize(
    ("address", "remote"),
    [("--upload-pack=touch evil", "origin"), ("x", "--upload-pack=touch evil")],
)
def test_no_address_and_no_remote_is_taken_for_an_option(
    store: Any, project: Project, address: str, remote: str
) -> None:
    """Nothing runs, and the sentence shows how to set another."""
    git(project.folder, "config", "remote.origin.url", address)
    with pytest.raises(store.ProjectError, match=r"looks like an option|has no remote"):
        store.push(project.folder, remote, REF, 100)
    assert not (project.folder / "evil").exists()


@pytest.mark.parametrize("ref", ["main", "refs/a..b", "-x", ""])
def test_a_ref_that_is_none_is_refused(store: Any, project: Project, ref: str) -> None:
    """The store cannot land on a branch by a short name."""
    with pytest.raises(store.ProjectError, match="refs/dvc/store"):
        store.push(project.folder, "origin", ref, 100)


# Credentials


class Backend(BaseHTTPRequestHandler):
    """Git's own HTTP server, for whoever sends the right header exactly once."""

    protocol_version = "HTTP/1.1"
    root = ""
    seen: list[str]

    def do_GET(self) -> None:
        self.serve(b"")

    def do_POST(self) -> None:
        self.serve(self.body())

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def serve(self, body: bytes) -> None:
        given = [value.lower() for value in self.headers.get_all("Authorization") or []]
        if given not in (["basic c2vjcmv0"], [f"basic {JOB_LOGIN.lower()}"]):
            self.answer(401, [("WWW-Authenticate", "Basic")], b"")
            return
        self.seen.append(self.path)
        path, _, query = self.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "tester",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            [GIT, "http-backend"], input=body, env={**os.environ, **variables}, capture_output=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n")]
        status = next((int(value[:3]) for key, value in fields if key == "Status"), 200)
        self.answer(status, [pair for pair in fields if pair[0] != "Status"], content)

    def answer(self, status: int, fields: list[Any], content: bytes) -> None:
        self.send_response(status)
        for key, value in fields:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address(origin: Path) -> Iterator[str]:
    """The origin over HTTP, on the loopback device."""
    handler = type("Handler", (Backend,), {"root": str(origin.parent), "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/origin.git"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "place",
    [
        "local",
        "includeIf",
        "job",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("global", "env")),
    ],
)
def test_the_clone_s_credentials_hold_for_the_store(
    store: Any,
    project: Project,
    origin: Path,
    address: str,
    place: str,
    tmp_path: Path,
    surroundings: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A header from the places that actions/checkout and people use arrives once, and is in no
    command line."""
    project.add("model.bin", random.Random(1).randbytes(3_000_000))  # above http.postBuffer
    project.commit()
    git(origin, "config", "http.receivepack", "true")
    key, header = f"http.{address}.extraheader", "Authorization: Basic c2VjcmV0"
    second = clone(origin, tmp_path / "two")
    for each in (project, second):
        git(each.folder, "remote", "set-url", "origin", address)
        if place == "local":
            git(each.folder, "config", key, header)
        elif place == "includeIf":
            included = tmp_path / f"{each.folder.name}.config"
            git(tmp_path, "config", "--file", str(included), key, header)
            git(each.folder, "config", f"includeIf.gitdir:{each.folder}/.git.path", str(included))
    if place == "global":
        git(tmp_path, "config", "--file", str(surroundings), key, header)
    elif place == "job":
        monkeypatch.setenv("GITHUB_SERVER_URL", address.removesuffix("/origin.git"))
        monkeypatch.setenv("GITHUB_TOKEN", "of-the-job")
    elif place == "env":
        for name, value in {"COUNT": "1", "KEY_0": key, "VALUE_0": header}.items():
            monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    log = traced(tmp_path, monkeypatch)
    push(store, project)
    pull(store, second)
    assert second.unsound() == []
    assert (second.folder / "data/a.txt").read_bytes() == b"one\n"
    assert "\npush " in log.read_text()
    assert "c2VjcmV0" not in log.read_text()
    assert JOB_LOGIN not in log.read_text()


def test_without_credentials_nothing_is_asked_and_nothing_hangs(
    store: Any, project: Project, address: str
) -> None:
    """No prompt: one sentence with Git's words."""
    git(project.folder, "remote", "set-url", "origin", address)
    assert "could not read Username" in refusal(store, push, project)


# Size, and the other stores


@pytest.mark.slow
def test_memory_does_not_grow_with_an_object(
    project: Project, origin: Path, tmp_path: Path
) -> None:
    """An object of 95 MiB goes there and back in far less memory than its size."""
    for name in ("bigFileThreshold", "packedGitWindowSize", "packedGitLimit"):
        git(origin, "config", f"core.{name}", "1m")  # the host's memory is not ours
    git(origin, "config", "receive.unpackLimit", "1")
    project.add("model.bin", random.Random(1).randbytes(95 * 2**20))
    project.commit()
    second = clone(origin, tmp_path / "two")
    for each, command in ((project, "push"), (second, "pull")):
        # By way of a small shell: a process starts with the highest mark of the one it came from.
        line = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", MEASURE, command]
        done = subprocess.run(line, cwd=each.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        own, children = map(int, done.stdout.split()[-2:])
        assert own < 80_000, "kilobytes of the command itself"
        assert children < 80_000, "kilobytes of Git, or of DVC"


MEASURE = f"""{RUN}
import resource
print()
print(*(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, -1)))
"""


@pytest.mark.parametrize("kind", ["git", pytest.param("bucket", marks=pytest.mark.slow)])
def test_a_stage_that_never_ran_does_not_stop_a_pull(
    store: Any, project: Project, origin: Path, tmp_path: Path, kind: str
) -> None:
    """Whoever adds a stage to dvc.yaml pulls what the others made, and then runs it."""
    if kind == "bucket":
        dvc(project.folder, "remote", "add", "--default", "store", str(tmp_path / "bucket"))
    push(store, project.commit())
    second = clone(origin, tmp_path / "two")
    with (second.folder / "dvc.yaml").open("a") as file:
        file.write("  new:\n    cmd: touch new\n    outs: [new]\n")
    pull(store, second)
    assert (second.folder / "model.bin").read_bytes() == b"model\n"


@pytest.mark.slow
def test_a_bucket_gets_plain_dvc(store: Any, project: Project, tmp_path: Path) -> None:
    """With a DVC remote of its own the project's two commands are `dvc push` and `dvc pull`."""
    bucket = tmp_path / "bucket"
    dvc(project.folder, "remote", "add", "--default", "store", str(bucket))
    push(store, project)
    assert sum(path.is_file() for path in bucket.rglob("*")) == 4
    shutil.rmtree(project.cache)
    pull(store, project)
    assert (project.folder / "model.bin").read_bytes() == b"model\n"
    for folder in (bucket, project.cache, project.folder / "data"):
        shutil.rmtree(folder)
    assert "remote lacks 2 objects" in refusal(store, pull, project)
    dvc(project.folder, "remote", "modify", "store", "url", "/dev/full/bucket")
    assert "`dvc push` ended with exit code" in refusal(store, push, project)


@pytest.mark.parametrize("command", ["push", "pull"])
def test_bare_dvc_names_the_command_to_use(
    project: Project, command: str, bake: Callable[..., BakedProject]
) -> None:
    """`dvc push` and `dvc pull` know no ref; with the rendered settings their error has advice."""
    project.write(".dvc/config", bake().read(".dvc/config"))
    if command == "pull":
        shutil.rmtree(project.cache)
    output = dvc(project.folder, command, check=False)
    assert "ERROR" in output
    assert "make push" in output
    assert "make pull" in output
