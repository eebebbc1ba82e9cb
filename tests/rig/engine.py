"""Runs workflows with act, which executes jobs on this machine, and reads what it says.

What act leaves out is done around it: filters, permissions, concurrency, check runs. What it does
otherwise than GitHub is said in CONTRIBUTING.md.
"""

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import caller, standin
from .gate import Gate
from .machine import Machine
from .run import Annotation, Run, Step
from .tool import tool
from .workflow import FOLDER, words

if TYPE_CHECKING:
    from .hub import GitHub

LONGEST_RUN = 1200
GRACE = 30
NULL_FILES = ("--env-file", "--secret-file", "--var-file", "--input-file")
LEVELS = ("warning", "error", "notice")
COLOUR = re.compile(r"\x1b\[[0-9;]*[mK]")
QUESTION = ".github/workflows/question.yml"


class Engine:
    def __init__(self, hub: "GitHub") -> None:
        self.hub = hub
        self.gate = Gate(hub)
        self.processes: dict[Run, subprocess.Popen[str]] = {}

    @functools.cached_property
    def machine(self) -> Machine:
        return Machine(self.hub.folder / "machine", self.hub.environment)

    def close(self) -> None:
        self.gate.close()
        for run in list(self.processes):
            self.sweep(run)

    def artifacts(self, run: int) -> Path:
        return self.hub.folder / "artifacts" / str(run)

    # A run

    def execute(self, run: Run) -> None:
        with tempfile.TemporaryDirectory(dir=self.hub.folder, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            commit = run.trigger.sha
            self.hub.git.export(commit, ".github", folder / "export")
            report = Report(self.hub, run)
            code = self.act_on(run, folder, run.file.file, report.read)
            report.finish(code)

    def act_on(
        self, run: Run, folder: Path, file: str, read: Callable[[dict[str, Any]], None]
    ) -> int:
        """Start act and hand on each of its lines; its exit code."""
        (folder / "start").mkdir()  # act obeys files that lie where it starts
        (folder / "event.json").write_text(json.dumps(run.trigger.payload))
        with subprocess.Popen(
            self.command(run, folder, file),
            cwd=folder / "start",
            env=self.surroundings(run, folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            self.processes[run] = process
            limit = threading.Timer(LONGEST_RUN, process.kill)
            limit.start()
            try:
                for line in process.stdout or ():
                    read(entry(line))
                return process.wait()
            finally:
                limit.cancel()
                self.sweep(run)
                del self.processes[run]

    def command(self, run: Run, folder: Path, file: str) -> list[str]:
        hub, happened = self.hub, run.trigger
        secrets = {"GITHUB_TOKEN": run.token} | ({} if happened.restricted else hub.secrets)
        variables = {} if happened.fork else hub.variables
        return [
            *(
                str(tool("act")),
                happened.name,
                "-C",
                str(folder / "export"),
                "-W",
                f"{FOLDER}/{file}",
            ),
            *("-e", str(folder / "event.json"), "--json", "-v", "--rm", "--no-skip-checkout"),
            *("--no-cache-server", "--action-offline-mode", "--concurrent-jobs", "4"),
            *("--github-instance", hub.host, "--actor", happened.actor.login),
            *(word for flag in NULL_FILES for word in (flag, "/dev/null")),
            *(word for each in self.labels(run) for word in ("-P", f"{each}=-self-hosted")),
            *standin.options(),
            *pairs("-s", secrets),
            *pairs("--var", variables),
            *pairs("--env", self.given(run)),
        ]

    def labels(self, run: Run) -> set[str]:
        """act skips a job whose label it does not know; the values of variables may be labels."""
        found = {"ubuntu-latest", "self-hosted"} | run.file.labels()
        return found.union(*(words(value) for value in self.hub.variables.values()))

    def given(self, run: Run) -> dict[str, str]:
        return {
            "GITHUB_REPOSITORY": self.hub.name,
            "SHA_REF": run.trigger.sha,
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_RUN_NUMBER": str(run.number),
            "GITHUB_RUN_ATTEMPT": str(run.attempt),
            "GITHUB_TRIGGERING_ACTOR": run.trigger.actor.login,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": run.token,
            "PAGER": "cat",  # steps run on a terminal, where a pager or a prompt would wait
            "GIT_TERMINAL_PROMPT": "0",
            "HOME": "${{ runner.temp }}/home",
            "TMPDIR": "${{ runner.temp }}",
        }

    def surroundings(self, run: Run, folder: Path) -> dict[str, str]:
        return self.machine.environment | {
            "HOME": str(folder / "home"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "RIG_HUB": self.hub.host,
            "RIG_RUN": mark(run),
            "RIG_ARTIFACTS": str(self.hub.folder / "artifacts"),
            "RIG_GATE": str(self.gate.port) if self.gate.used else "",
        }

    # Its end

    def interrupt(self, run: Run) -> None:
        """One SIGINT is what a cancel is on GitHub; who does not listen is ended after a while."""
        process = self.processes.get(run)
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        grace = threading.Timer(GRACE, process.terminate)
        grace.daemon = True
        grace.start()

    def sweep(self, run: Run) -> None:
        """Background processes outlive the engine: end those that bear the run's mark, all."""
        while left := list(caller.processes("RIG_RUN", mark(run))):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    # Questions to the engine

    def concurrency(self, run: Run) -> tuple[str | None, bool]:
        """The group of the run, and whether it ends an older one; act evaluates both."""
        given = run.file.content.get("concurrency")
        if given is None:
            return None, False
        if isinstance(given, str):
            given = {"group": given}
        values = [str(given["group"]), str(given.get("cancel-in-progress", False)).lower()]
        if any("${{" in value for value in values):
            values = self.evaluate(run, values)
        return values[0], values[1] == "true"

    def evaluate(self, run: Run, texts: list[str]) -> list[str]:
        values = dict(zip(("ONE", "TWO"), texts, strict=True))
        step = {"shell": "bash", "env": values, "run": 'printf "answer=%s\\n" "$ONE" "$TWO"'}
        job = {"runs-on": "ubuntu-latest", "steps": [step]}
        question = {"name": run.workflow, "on": run.file.on, "jobs": {"question": job}}
        said: list[str] = []
        with tempfile.TemporaryDirectory(dir=self.hub.folder, ignore_cleanup_errors=True) as name:
            file = Path(name, "export", QUESTION)
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(question))  # JSON is YAML
            self.act_on(run, Path(name), file.name, lambda line: said.append(line["msg"]))
        answers = [line.strip() for line in said if line.startswith("answer=")]
        assert len(answers) == 2, "\n".join(said)
        return [line.removeprefix("answer=") for line in answers]


def mark(run: Run) -> str:
    return f"{run.token[-12:]}-{run.attempt}"


def pairs(flag: str, values: dict[str, str]) -> Iterator[str]:
    for name, value in values.items():
        yield from (flag, f"{name}={value}")


def entry(line: str) -> dict[str, Any]:
    if line.startswith("{"):
        try:
            return {"msg": "", **json.loads(line)}
        except ValueError:
            pass
    return {"msg": line.rstrip("\n")}


class Report:
    """Takes the outcomes from act's lines of JSON; the log is what the steps printed, and act."""

    def __init__(self, hub: "GitHub", run: Run) -> None:
        self.hub = hub
        self.run = run
        self.names: dict[str, str] = {}
        self.failed: dict[str, bool] = {}

    def read(self, line: dict[str, Any]) -> None:
        run, job = self.run, str(line.get("jobID", ""))
        said = COLOUR.sub("", str(line["msg"]).rstrip("\r\n"))  # steps write to a terminal
        if line.get("level") != "debug":
            run.log += said + "\n"
        if job:
            self.runner(job, said)
        if "stepResult" in line and line.get("stage") == "Main" and len(line["stepID"]) == 1:
            run.steps.append(Step(job, line["step"], line["stepResult"]))
        if line.get("command") == "summary":
            run.summary[job] = run.summary.get(job, "") + str(line.get("content", ""))
        if line.get("command") in LEVELS:
            run.annotations.append(Annotation(job, line["command"], str(line.get("arg", said))))
        if "jobResult" in line:
            self.ended(job, str(line["job"]), line["jobResult"])

    def runner(self, job: str, said: str) -> None:
        """The first value that act evaluates for `runs-on`, or what is written there."""
        if job in self.run.runs_on:
            return
        written = self.run.file.jobs.get(job, {}).get("runs-on", "")
        start = f"expression '{written}' evaluated to '"
        if "${{" not in str(written):
            self.run.runs_on[job] = [written] if isinstance(written, str) else labels(str(written))
        elif said.startswith(start):
            self.run.runs_on[job] = labels(said.removeprefix(start)[:-1])

    def ended(self, job: str, name: str, result: str) -> None:
        run = self.run
        # After a cancel act starts the jobs that GitHub would still run, and skips all their steps.
        idle = result == "success" and set(run.outcomes(job).values()) <= {"skipped"}
        if run.cancelled and (result == "failure" or idle):
            result = "cancelled"
        if result == "failure" and run.file.jobs.get(job, {}).get("continue-on-error") is True:
            result = "success"
        if run.jobs.get(job) not in ("failure", "cancelled"):  # one result for all legs of a matrix
            run.jobs[job] = result
        self.hub.check(run, name.removeprefix(f"{run.workflow}/").strip(), result)

    def finish(self, code: int) -> None:
        """The conclusion; jobs that never came to be are cancelled with the run, or failed."""
        run = self.run
        for job, about in run.file.jobs.items():
            if job not in run.jobs and (run.cancelled or run.jobs):
                self.ended(job, str(about.get("name", job)), "failure")
        results = set(run.jobs.values())
        if run.cancelled:
            run.conclusion = "cancelled"
        elif "failure" in results or (code and results <= {"success", "skipped"} and not results):
            run.conclusion = "failure" if results else "startup_failure"
        else:
            run.conclusion = "skipped" if results == {"skipped"} else "success"


def labels(evaluated: str) -> list[str]:
    """Labels out of Go's way to print a string, a list or a map."""
    if "%!t(string=" in evaluated:
        found = re.findall(r"%!t\(string=([^)]*)\)", evaluated)
        return [each for each in found if each not in ("group", "labels")]
    return re.findall(r"[\w.-]+", evaluated)
