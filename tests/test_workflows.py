"""The workflow files as text: what GitHub would refuse, and what a reviewer would."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Bake
from options import REPOSITORY
from rig.standin import FOLDER as STAND_INS
from rig.standin import PINS
from rig.tool import tool
from rig.workflow import SCOPES

PROJECT = REPOSITORY / "<<cookiecutter.project>>"
FOLDERS = (REPOSITORY / ".github", PROJECT / ".github")
WORKFLOWS = [file for folder in FOLDERS for file in sorted(folder.glob("workflows/*.yml"))]
ACTIONS = [file for folder in FOLDERS for file in sorted(folder.glob("actions/*/action.yml"))]

# One target, its variables, and perhaps what it says as outputs of the step.
TARGETS = re.compile(r'make [a-z-]+( [a-z-]+)*( [A-Z]+=\S+)*( >> "\$GITHUB_OUTPUT")?')
VERDICT = re.compile(r'test "\$\w+" = \S+|echo "::error::[^"`]+" && exit 1')
"""What a job that checks nothing out, and so has no Makefile, may type."""
CML = ".github/cml/node_modules/.bin/cml comment update "


def name(file: Path) -> str:
    return str(file.relative_to(REPOSITORY))


EACH_WORKFLOW = pytest.mark.parametrize("file", WORKFLOWS, ids=name)
EACH_FILE = pytest.mark.parametrize("file", [*WORKFLOWS, *ACTIONS], ids=name)


def parsed(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    return dict(parsed(file)["jobs"])


def steps(file: Path) -> Iterator[dict[str, Any]]:
    """The steps of a workflow's jobs, or of a composite action."""
    content = parsed(file)
    for job in content["jobs"].values() if "jobs" in content else [content["runs"]]:
        yield from job["steps"]


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["the template's", "a project's"])
def test_actionlint_finds_nothing(bake: Bake, tmp_path: Path, whose: str) -> None:
    """GitHub's schema, expressions, contexts, and the inputs of our own actions."""
    source = REPOSITORY if whose == "the template's" else bake().path
    shutil.copytree(source / ".github", tmp_path / "linted/.github")
    subprocess.run(["git", "init", "-q", tmp_path / "linted"], check=True)
    command = [str(tool("actionlint")), "-no-color", "-shellcheck=", "-pyflakes="]
    done = subprocess.run(command, cwd=tmp_path / "linted", capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", "workflows/*.yml"),
        ("github-actions", "actions/*/action.yml"),
        ("dependabot", "dependabot.yml"),
    ],
)
def test_githubs_schema_is_kept(schema: str, pattern: str) -> None:
    """As the schema store describes the files; the copy comes with the tool, no network needed."""
    files = [str(file) for folder in FOLDERS for file in folder.glob(pattern)]
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*check, *files], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@EACH_WORKFLOW
def test_nothing_is_permitted_on_top(file: Path) -> None:
    """So a job has only what it names, and a new job has nothing."""
    assert parsed(file)["permissions"] == {}
    for job in jobs(file).values():
        assert isinstance(job["permissions"], dict)


@EACH_WORKFLOW
def test_every_job_has_a_time_limit(file: Path) -> None:
    """GitHub's own is six hours."""
    for job in jobs(file).values():
        assert 0 < job["timeout-minutes"] <= 360


@EACH_WORKFLOW
def test_every_workflow_says_what_two_runs_do(file: Path) -> None:
    """A group, and whether a newer run ends an older one."""
    assert {"group", "cancel-in-progress"} <= set(parsed(file)["concurrency"])


@EACH_WORKFLOW
def test_a_job_says_what_it_does_when_another_failed(file: Path) -> None:
    """Without a word it asks for `success()`, is skipped, and counts as passed on GitHub."""
    for name, job in jobs(file).items():
        said = re.search(r"\b(success|failure|always|cancelled)\(\)", str(job.get("if", "")))
        assert said or "needs" not in job, name


@EACH_WORKFLOW
def test_a_permission_has_its_reason(file: Path) -> None:
    """Each is named, as a level of its own, with the request that needs it beside it."""
    lines = file.read_text(encoding="utf-8").splitlines()
    for job in jobs(file).values():
        for scope, level in job["permissions"].items():
            assert scope in SCOPES and level in ("read", "write")
            assert any(re.fullmatch(rf" +{scope}: {level} # \S.*", line) for line in lines)


@EACH_WORKFLOW
def test_every_job_runs_bash(file: Path) -> None:
    """The default shell of GitHub goes on after a failed command of a pipe."""
    for job in jobs(file).values():
        assert job["defaults"]["run"]["shell"] == "bash"


@EACH_WORKFLOW
def test_a_checkout_keeps_no_token(file: Path) -> None:
    """Else every later step could read it from .git/config."""
    for step in steps(file):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@EACH_FILE
def test_a_step_types_what_a_person_types(file: Path) -> None:
    """Targets of make on one line, and no expression becomes shell; CML is the one exception."""
    for step in steps(file):
        line = step.get("run", "make").strip()
        assert "${{" not in line and "\n" not in line
        if not line.startswith(CML) and line != "make":
            assert TARGETS.fullmatch(line) or VERDICT.fullmatch(line), line


@EACH_FILE
def test_an_action_is_pinned_as_listed(file: Path) -> None:
    """The commit of the listed tag, with the tag beside it; our own actions have no version."""
    pinned = {f"{name}@{commit} # {tag}" for name, (tag, commit) in PINS.items()}
    for line in file.read_text(encoding="utf-8").splitlines():
        if used := re.match(r"[ -]*uses: (?!\./)(.+)", line):
            assert used[1] in pinned
    for step in steps(file):
        assert ("run" in step) != ("uses" in step)


@EACH_FILE
def test_an_action_is_given_what_it_knows(file: Path) -> None:
    """A misspelt input is a warning on GitHub; the stand-in lists those that it imitates."""
    for step in steps(file):
        if "@" in step.get("uses", ""):
            action = STAND_INS / step["uses"].partition("@")[0] / "action.yml"
            assert step.get("with", {}).keys() <= parsed(action)["inputs"].keys()


@pytest.mark.parametrize("file", ACTIONS, ids=name)
def test_an_action_runs_bash(file: Path) -> None:
    """A composite action has no default shell."""
    for step in steps(file):
        assert step.get("shell", "bash") == "bash" and ("shell" in step) == ("run" in step)
