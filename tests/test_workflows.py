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
from rig.workflow import SCOPES, Workflow

PROJECT = REPOSITORY / "<<cookiecutter.project>>"
FOLDERS = (REPOSITORY / ".github", PROJECT / ".github")
WORKFLOWS = [file for folder in FOLDERS for file in sorted(folder.glob("workflows/*.yml"))]
ACTIONS = [file for folder in FOLDERS for file in sorted(folder.glob("actions/*/action.yml"))]

# One target, its variables, and perhaps what it says as outputs of the step.
TARGETS = re.compile(r'make [a-z-]+( [a-z-]+)*( [A-Z]+=\S+)*( >> "\$GITHUB_OUTPUT")?')
SAYS = r'echo "::(error|notice)::[^"`]+"( && exit 1)?'
VERDICT = re.compile(rf'test "\$\w+" = ("\$)?\w+"?( \|\| {{ {SAYS}; }})?|{SAYS}')
"""What a job that checks nothing out, and so has no Makefile, may type."""
CML = "make comment"


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
    """Targets of make on one line, and no expression becomes shell."""
    for step in steps(file):
        line = step.get("run", "make").strip()
        assert "${{" not in line and "\n" not in line
        if line != "make":
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


# Whom a project's workflows trust

PROJECTS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
EACH_PROJECTS = pytest.mark.parametrize("file", PROJECTS, ids=lambda file: file.name)
MODEL = PROJECT / ".github/workflows/model.yml"

# A branch of this repository, and nobody's dependencies; the second is its opposite. Nobody can
# dispatch a run on a branch that is not in the repository.
OURS = (
    "(github.event_name == 'workflow_dispatch' "
    "|| github.event.pull_request.head.repo.full_name == github.repository "
    "&& github.event.pull_request.user.login != 'dependabot[bot]')"
)
THEIRS = (
    "github.event_name == 'pull_request' "
    "&& (github.event.pull_request.head.repo.full_name != github.repository "
    "|| github.event.pull_request.user.login == 'dependabot[bot]')"
)
DEFAULT_BRANCH = "${{ github.event.repository.default_branch }}"
LABELLED = ("labeled", "unlabeled")
SECRETS = {
    ("model.yml", "validate", "SOURCE_TOKEN"),  # it ingests
    ("model.yml", "publish", "APP_PRIVATE_KEY"),  # it pushes, and runs the default branch's code
    ("promote.yml", "open", "APP_PRIVATE_KEY"),  # as publish
    ("retrain.yml", "look", "SOURCE_TOKEN"),  # it ingests
    ("monitor.yml", "look", "SOURCE_TOKEN"),  # it asks the source for labels
    ("release.yml", "reconcile", "MLFLOW_TRACKING_TOKEN"),  # it runs what was merged
    ("track.yml", "track", "MLFLOW_TRACKING_TOKEN"),  # it runs what was merged
}


def folded(value: object) -> str:
    return " ".join(str(value).split())


def writes(job: dict[str, Any]) -> bool:
    return "write" in job["permissions"].values()


@EACH_PROJECTS
def test_a_job_runs_the_teams_code_or_holds_a_write_token(file: Path) -> None:
    """Never both: one that may write checks out the default branch, and nothing but that."""
    for job_name, job in jobs(file).items():
        checkouts = [step for step in job["steps"] if "actions/checkout@" in step.get("uses", "")]
        if writes(job):
            assert {step["with"].get("ref") for step in checkouts} <= {DEFAULT_BRANCH}, job_name


@EACH_PROJECTS
def test_a_secret_is_named_only_where_it_is_listed(file: Path) -> None:
    """Once each, in the environment or the input of one step, and never the whole of them."""
    found = {
        (file.name, job_name, secret)
        for job_name, job in jobs(file).items()
        for secret in re.findall(r"\bsecrets\b(?:\.(\w+))?", str(job))
    }
    assert found == {entry for entry in SECRETS if entry[0] == file.name}
    assert len(re.findall(r"\bsecrets\.", file.read_text(encoding="utf-8"))) == len(found)


def test_no_action_of_ours_names_a_secret() -> None:
    assert not [file for file in ACTIONS if "secrets" in file.read_text(encoding="utf-8")]


@EACH_PROJECTS
def test_only_training_leaves_hosted_machines(file: Path) -> None:
    elsewhere = {n for n, job in jobs(file).items() if job["runs-on"] != "ubuntu-latest"}
    assert elsewhere == ({"train"} if file == MODEL else set())


def test_forks_and_dependabot_are_known_by_the_same_words_everywhere() -> None:
    """Where somebody asks who it is, both are asked, in one of two ways."""
    text = folded(MODEL.read_text(encoding="utf-8"))
    asked = text.count("head.repo.full_name")
    assert asked == text.count(OURS) + text.count(THEIRS) >= 4
    assert text.count("dependabot[bot]") == asked
    assert f"(vars.TRAIN_RUNNER == '' || {THEIRS}) && '\"ubuntu-latest\"'" in text


def test_a_job_that_may_write_is_not_for_forks_and_dependabot() -> None:
    for job_name, job in jobs(MODEL).items():
        assert not writes(job) or f"&& {OURS}" in folded(job["if"]), job_name


@pytest.mark.parametrize("job", ["train", "compare", "report"])
def test_a_draft_is_neither_trained_nor_judged(job: str) -> None:
    """What follows from these is skipped with them."""
    assert "&& !github.event.pull_request.draft" in folded(jobs(MODEL)[job]["if"])


@pytest.mark.parametrize("job", ["train", "report"])
def test_a_label_trains_nothing(job: str) -> None:
    """Nor does it tell of a commit that has no model yet."""
    words = folded(jobs(MODEL)[job]["if"])
    assert all(f"github.event.action != '{action}'" in words for action in LABELLED)


@pytest.mark.parametrize(("workflow", "job"), [("ci.yml", "ci"), ("model.yml", "gate")])
def test_a_required_check_always_runs_and_needs_every_job(workflow: str, job: str) -> None:
    """GitHub counts a required job that is skipped as passed, and waits for one that never is."""
    file = PROJECT / ".github/workflows" / workflow
    on = Workflow.read(file.name, file.read_text(encoding="utf-8")).on
    required = jobs(file)[job]
    assert "paths" not in str(on["pull_request"]) and required["if"] == "always()"
    needs = [required["needs"]] if isinstance(required["needs"], str) else required["needs"]
    assert set(needs) == jobs(file).keys() - {job}
    assert required["permissions"] == {} and required["timeout-minutes"] <= 5
    last = required["steps"][-1]
    assert "if" not in last and all(f"needs.{n}.result" in str(last["env"]) for n in needs)


def test_whoever_must_approve_a_release_is_asked_before_all_else() -> None:
    """By the environment of the job that every other job of the release waits for."""
    found = jobs(PROJECT / ".github/workflows/release.yml")
    assert found["verify"]["environment"] == "production" and "needs" not in found["verify"]
    waits = {name: str(job.get("needs")) for name, job in found.items() if name != "verify"}
    assert all("verify" in needs or "publish" in needs for needs in waits.values()), waits
    assert "verify" in waits["publish"]


def test_the_comment_has_a_time_limit() -> None:
    """CML waits for a silent server for ever."""
    (step,) = [step for step in jobs(MODEL)["report"]["steps"] if step.get("run") == CML]
    assert step["timeout-minutes"] == 5
