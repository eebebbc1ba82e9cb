"""Every kind of project: its files, its answers, and that it passes its own checks when fresh."""

import hashlib
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from baking import BakedProject
from conftest import Bake
from options import option_id, option_sets, questions

SETS = list(option_sets())
KIND = pytest.mark.parametrize("answers", SETS, ids=option_id)

LISTED = """
.dvc/.gitignore .dvc/config .dvcignore .github/actions/check/action.yml
.github/actions/setup/action.yml .github/cml/package-lock.json .github/cml/package.json
.github/dependabot.yml .github/preview/package-lock.json .github/preview/package.json
.github/rulesets/main.json .github/rulesets/release.json .github/workflows/ci.yml
.github/workflows/model.yml .github/workflows/monitor.yml .github/workflows/pages.yml
.github/workflows/promote.yml .github/workflows/release.yml .github/workflows/retrain.yml
.github/workflows/track.yml .gitignore .pre-commit-config.yaml LICENSE Makefile README.md
data/.gitignore dvc.yaml models/.gitignore params.yaml pyproject.toml requirements/bootstrap.lock
requirements/data.lock requirements/dev.lock requirements/drift.lock requirements/pipeline.lock
requirements/preview.lock requirements/tracking.lock requirements/train.lock
requirements/xgboost.lock src/PACKAGE/__init__.py src/PACKAGE/__main__.py src/PACKAGE/answers.py
src/PACKAGE/batches.py src/PACKAGE/bins.py src/PACKAGE/cli.py src/PACKAGE/clusters.py
src/PACKAGE/compare.py src/PACKAGE/contract.py src/PACKAGE/decide.py src/PACKAGE/drift.py
src/PACKAGE/errors.py src/PACKAGE/evaluate.py src/PACKAGE/fairness.py src/PACKAGE/gate.py
src/PACKAGE/gitops/__init__.py src/PACKAGE/gitops/__main__.py src/PACKAGE/gitops/accept.py
src/PACKAGE/gitops/alarm.py src/PACKAGE/gitops/announce.py src/PACKAGE/gitops/audit.py
src/PACKAGE/gitops/branches.py src/PACKAGE/gitops/conclude.py src/PACKAGE/gitops/delivery.py
src/PACKAGE/gitops/drifted.py src/PACKAGE/gitops/github.py src/PACKAGE/gitops/handoff.py
src/PACKAGE/gitops/history.py src/PACKAGE/gitops/incident.py src/PACKAGE/gitops/laptop.py
src/PACKAGE/gitops/leave.py src/PACKAGE/gitops/lock.py src/PACKAGE/gitops/models.py
src/PACKAGE/gitops/monitor.py src/PACKAGE/gitops/night.py src/PACKAGE/gitops/notes.py
src/PACKAGE/gitops/operations.py src/PACKAGE/gitops/pages.py src/PACKAGE/gitops/problem.py
src/PACKAGE/gitops/production.py src/PACKAGE/gitops/projection.py src/PACKAGE/gitops/promotion.py
src/PACKAGE/gitops/propose.py src/PACKAGE/gitops/publish.py src/PACKAGE/gitops/pulls.py
src/PACKAGE/gitops/retraining.py src/PACKAGE/gitops/review.py src/PACKAGE/gitops/rulesets.py
src/PACKAGE/gitops/settings.py src/PACKAGE/gitops/shadow.py src/PACKAGE/gitops/side.py
src/PACKAGE/gitops/site.py src/PACKAGE/gitops/stale.py src/PACKAGE/gitops/staleness.py
src/PACKAGE/gitops/start.py src/PACKAGE/gitops/supply.py src/PACKAGE/gitops/verify.py
src/PACKAGE/ingest.py src/PACKAGE/keys.py src/PACKAGE/logbook.py src/PACKAGE/metrics.py
src/PACKAGE/model.py src/PACKAGE/monitor.py src/PACKAGE/page/__init__.py
src/PACKAGE/page/cards.py src/PACKAGE/page/document.py src/PACKAGE/page/draw.py
src/PACKAGE/page/ledger.py src/PACKAGE/page/progress.py src/PACKAGE/page/staleness.py
src/PACKAGE/page/timeline.py src/PACKAGE/paired.py src/PACKAGE/params.py src/PACKAGE/payload.py
src/PACKAGE/permutation.py src/PACKAGE/predict.py src/PACKAGE/predictions.py
src/PACKAGE/quality.py src/PACKAGE/registry.py src/PACKAGE/reporting/__init__.py
src/PACKAGE/reporting/alone.py src/PACKAGE/reporting/card.py src/PACKAGE/reporting/charts.py
src/PACKAGE/reporting/compared.py src/PACKAGE/reporting/comparison.py
src/PACKAGE/reporting/cost.py src/PACKAGE/reporting/datasheet.py
src/PACKAGE/reporting/distribution.py src/PACKAGE/reporting/drift.py
src/PACKAGE/reporting/drift_html.py src/PACKAGE/reporting/facts.py
src/PACKAGE/reporting/fairness.py src/PACKAGE/reporting/groups.py
src/PACKAGE/reporting/monitor.py src/PACKAGE/reporting/preview.py
src/PACKAGE/reporting/problem.py src/PACKAGE/reporting/provenance.py
src/PACKAGE/reporting/purpose.py src/PACKAGE/reporting/report.py
src/PACKAGE/reporting/sections.py src/PACKAGE/reporting/shadow.py src/PACKAGE/reporting/sides.py
src/PACKAGE/reporting/slices.py src/PACKAGE/reporting/staleness.py
src/PACKAGE/reporting/tables.py src/PACKAGE/reporting/versus.py src/PACKAGE/reporting/wording.py
src/PACKAGE/sample.py src/PACKAGE/schema.py src/PACKAGE/serve.py src/PACKAGE/shadow.py
src/PACKAGE/shelf.py src/PACKAGE/split.py src/PACKAGE/staleness.py
src/PACKAGE/storage/__init__.py src/PACKAGE/storage/gitref.py src/PACKAGE/storage/log.py
src/PACKAGE/storage/objects.py src/PACKAGE/storage/store.py src/PACKAGE/text.py
src/PACKAGE/track.py src/PACKAGE/train.py src/PACKAGE/validate.py tests/conftest.py
tests/histories.py tests/sample/2013-01.parquet tests/sample/2013-02.parquet
tests/sample/2013-03.parquet tests/sample/2013-04.parquet tests/sample/2013-05.parquet
tests/sample/2013-06.parquet tests/situations.py tests/test_audit.py tests/test_card.py
tests/test_cli.py tests/test_compare.py tests/test_comparison_report.py tests/test_datasheet.py
tests/test_decide.py tests/test_drift.py tests/test_evaluate.py tests/test_fairness.py
tests/test_gate.py tests/test_history.py tests/test_ingest.py tests/test_leave.py
tests/test_model.py tests/test_monitor.py tests/test_night.py tests/test_notes.py
tests/test_operations.py tests/test_params.py tests/test_predict.py tests/test_projection.py
tests/test_promotion.py tests/test_report.py tests/test_serve.py tests/test_shadow.py
tests/test_site.py tests/test_split.py tests/test_staleness.py tests/test_train.py
tests/test_validate.py
"""


def files(project: BakedProject) -> set[str]:
    found = (path for path in project.path.rglob("*") if path.is_file())
    return {str(path.relative_to(project.path)) for path in found if "__pycache__" not in str(path)}


def digests(project: BakedProject, names: set[str]) -> dict[str, str]:
    return {
        name: hashlib.sha256((project.path / name).read_bytes()).hexdigest()
        for name in names
        if (project.path / name).exists()
    }


def texts(project: BakedProject) -> dict[str, str]:
    return {name: project.read(name) for name in files(project) if not name.endswith(".parquet")}


@KIND
def test_a_project_has_exactly_these_files(bake: Bake, answers: dict[str, str]) -> None:
    """Nothing is forgotten, nothing is left over."""
    package = answers.get("package", "flight_delays")
    if "project" in answers and "package" not in answers:
        package = answers["project"].lower().replace("-", "_").replace(".", "_")
    expected = {name.replace("PACKAGE", package) for name in LISTED.split()}
    if answers.get("store", "git") != "git":
        expected.add("requirements/store.lock")
    assert files(bake(**answers)) == expected


@KIND
def test_no_template_syntax_is_left(bake: Bake, answers: dict[str, str]) -> None:
    """No delimiter, no name of an unrendered answer, and no name of the template's own."""
    for name, text in texts(bake(**answers)).items():
        for word in ("<<", "<%", "<#", "%>", "#>", "cookiecutter", "gitops-ml"):
            assert word not in text, f"{word} in {name}"


@KIND
def test_every_file_parses_and_holds_the_answers(bake: Bake, answers: dict[str, str]) -> None:
    """TOML and YAML are read as GitHub, uv and DVC read them."""
    project = bake(**answers)
    for name, text in texts(project).items():
        if name.endswith((".yml", ".yaml")):
            assert yaml.safe_load(text), name
    found = tomllib.loads(project.read("pyproject.toml"))
    asked = questions() | answers
    assert found["project"]["name"] == asked["project"]
    assert found["project"]["description"] == asked["description"]
    config = project.read(".dvc/config")
    schemes = {"s3": "s3://", "gs": "gs://", "azure": "azure://"}
    assert all((scheme in config) == (answers.get("store") == s) for s, scheme in schemes.items())


def test_no_lock_names_an_address(bake: Bake) -> None:
    """Locks hold names, versions and hashes; where packages come from is the reader's choice."""
    for store in questions()["store"]:
        project = bake(store=store)
        for lock in (project.path / "requirements").iterdir():
            text = lock.read_text()
            assert "://" not in text
            for entry in text.replace("\\\n", " ").splitlines():
                assert "==" in entry and "--hash=sha256:" in entry, f"{lock.name}: {entry}"


@pytest.mark.slow
@KIND
def test_a_fresh_project_passes_its_own_checks(bake: Bake, answers: dict[str, str]) -> None:
    """`make check` is green, and `make format` finds nothing to change.

    An answer that changes words alone is linted; all of them at once are tested.
    """
    project = bake(**answers)
    before = digests(project, files(project))
    words_alone = len(answers) == 1 and not answers.keys() & {"python_version", "store"}
    project.make("lint" if words_alone else "check")
    project.make("format")
    assert digests(project, set(before)) == before


@pytest.mark.slow
def test_hooks_run_without_a_network(bake: Bake, tmp_path: Path) -> None:
    """pre-commit's hooks are local: a commit needs no download, and a bad file stops it."""
    project = bake()
    project.make("setup")
    offline = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    me = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    project.run(".venv/bin/pre-commit", "install")
    project.run("git", "add", ".")
    project.run("git", "commit", "-qm", "first", env=offline | me)
    package = "src/flight_delays/split.py"
    project.write(package, project.read(package) + "import os\n")
    refused = project.run("git", "commit", "-qam", "second", env=offline | me, check=False)
    assert refused.returncode == 1
    assert "make lint" in refused.stderr + refused.stdout


@pytest.mark.slow
def test_make_lock_keeps_what_is_locked(bake: Bake) -> None:
    """Without UPGRADE=1 a lock file that fits pyproject.toml stays as it is."""
    project = bake()
    locks = {name for name in files(project) if name.endswith(".lock")}
    before = digests(project, locks)
    project.make("lock")
    assert digests(project, locks) == before


def machine(folder: Path, *pythons: str) -> dict[str, str]:
    """A PATH with the usual tools, the given commands as Python, and no other Python."""
    folder.mkdir()
    for tool in ("make", "sh", "git", "sed", "awk", "touch", "rm", "mkdir", "env", "uname"):
        found = shutil.which(tool)
        assert found, tool
        (folder / tool).symlink_to(found)
    for name in pythons:
        (folder / name).symlink_to(sys.executable)
    return {"PATH": str(folder)}


def test_a_machine_without_a_usable_python_says_so(bake: Bake, tmp_path: Path) -> None:
    """One sentence that names the three; nothing is made, nothing is downloaded."""
    project = bake()
    refused = project.make("setup", check=False, env=machine(tmp_path / "bin"))
    assert refused.returncode != 0
    assert "no Python 3.11, 3.12 or 3.13 is on the PATH" in refused.stderr
    assert not project.has(".venv")


@pytest.mark.slow
def test_another_python_takes_the_place_of_one_that_is_not_there(
    bake: Bake, tmp_path: Path
) -> None:
    """The newest of the three that the machine has, and setup says so."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    other = next(v for v in sorted(questions()["python_version"]) if v != own)
    project = bake(python_version=other)
    said = project.make("setup", env=machine(tmp_path / "bin", f"python{own}", "python3")).stdout
    assert f"Python {other} is not on the PATH; this environment has Python {own}" in said


def test_the_nightly_time_is_the_schedule(bake: Bake) -> None:
    """And monitoring has its own, twelve hours away."""
    project = bake(nightly_time="22:05")
    for name, time in (("retrain", "5 22"), ("monitor", "5 10")):
        workflow = project.read(f".github/workflows/{name}.yml")
        assert f'    - cron: "{time} * * *" # UTC\n' in workflow


def test_telemetry_is_off(bake: Bake) -> None:
    """What each command that make calls is told."""
    project = bake()
    project.write("show.mk", "include Makefile\nshow:\n\t@env\n")
    told = project.run("make", "-s", "-f", "show.mk", "show").stdout.splitlines()
    assert {"DVC_NO_ANALYTICS=1", "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=1"} <= set(told)
    assert "analytics = false" in project.read(".dvc/config")
    (line,) = [line for line in project.read("Makefile").splitlines() if "bin/cml " in line]
    assert "ITERATIVE_DO_NOT_TRACK=1" in line
