"""What a pull request's jobs do, one by one, on machines that share nothing but a Git remote."""

import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from baking import IDENTITY, BakedProject, Oven
from team import QUICK, Remote, clone, commit, head, set_params, with_a_python

pytestmark = pytest.mark.slow


# What the tests stand on


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Remote:
    return Remote.create(tmp_path_factory.mktemp("remote") / "flight-delays.git")


@pytest.fixture(scope="module")
def project(oven: Oven, tmp_path_factory: pytest.TempPathFactory, remote: Remote) -> BakedProject:
    """A laptop, on `main` with a model whose objects are in the store."""
    project = with_a_python(oven.bake(tmp_path_factory.mktemp("laptop"), {}))
    set_params(project, **QUICK)
    project.make("setup", "repro")
    project.run("git", "remote", "add", "origin", str(remote.path))
    commit(project, "The first model")
    project.make("push")
    project.run("git", "push", "-q", "origin", "main")
    return project


@pytest.fixture(scope="module")
def trained(
    project: BakedProject, remote: Remote, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A commit that changes a parameter, and what the jobs that trained it handed on."""
    job = clone(remote, tmp_path_factory.mktemp("job") / "flight-delays", project)
    set_params(job, max_iter="30")
    parent = commit(job, "More iterations")
    job.run("git", "push", "-q", "origin", "HEAD:refs/heads/seed")
    job.make("fetch", "repro", "pack")
    return parent, job.path / "handoff"


@pytest.fixture
def branch(remote: Remote, trained: tuple[str, Path], request: pytest.FixtureRequest) -> str:
    """A branch of this test alone, on the commit that was trained."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    remote.git("update-ref", f"refs/heads/{name}", trained[0])
    return str(name)


@pytest.fixture
def machine(
    project: BakedProject, remote: Remote, trained: tuple[str, Path], tmp_path: Path
) -> BakedProject:
    """The job that publishes: the default branch, an artifact, and nobody's identity."""
    machine = project.copy(tmp_path / "machine")
    shutil.rmtree(machine.path / ".dvc/cache")
    machine.run("git", "checkout", "-q", "main")
    shutil.copytree(trained[1], machine.path / "handoff")
    return machine


def publish(
    machine: BakedProject, branch: str, parent: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    return machine.make("publish", check=check, env={"BRANCH": branch, "PARENT": parent})


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a failure."""
    assert done.returncode != 0, done.stdout
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert "Traceback" not in done.stderr
    return lines[-1]


# publish


def test_publish_pushes_objects_and_then_the_lock(
    machine: BakedProject, remote: Remote, branch: str, trained: tuple[str, Path]
) -> None:
    """The bot's commit holds dvc.lock and figures, and nothing else; its objects are there."""
    publish(machine, branch, trained[0])
    changed = remote.git("diff", "--name-only", trained[0], branch).splitlines()
    assert "dvc.lock" in changed and "reports/metrics.json" in changed
    assert all(path == "dvc.lock" or path.startswith("reports/") for path in changed)
    assert remote.git("log", "-1", "--format=%an", branch) == "github-actions[bot]"
    assert remote.git("rev-parse", f"{branch}^") == trained[0]
    lock = yaml.safe_load(remote.show(branch, "dvc.lock"))
    named = {out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    kept = {name for name in named if name in remote.objects()}
    assert lock["stages"]["train"]["outs"][2]["md5"] in kept


def test_published_again_nothing_happens(
    machine: BakedProject, remote: Remote, branch: str, trained: tuple[str, Path]
) -> None:
    """A job that is run again ends the same."""
    publish(machine, branch, trained[0])
    tip, store = remote.tip(branch), remote.git("rev-parse", "refs/dvc/store")
    assert "already" in publish(machine, branch, trained[0]).stdout
    assert (remote.tip(branch), remote.git("rev-parse", "refs/dvc/store")) == (tip, store)


def test_trained_and_published_again_nothing_happens(
    machine: BakedProject, remote: Remote, branch: str, trained: tuple[str, Path]
) -> None:
    """All jobs run again train the same model; only the times in its system figures differ."""
    publish(machine, branch, trained[0])
    tip, system = remote.tip(branch), machine.path / "handoff/files/reports/system.json"
    system.write_text(json.dumps(json.loads(system.read_text()) | {"fit_seconds": 1234}))
    assert "already" in publish(machine, branch, trained[0]).stdout
    assert remote.tip(branch) == tip


def test_killed_between_objects_and_commit_it_is_finished_by_the_next(
    machine: BakedProject, remote: Remote, branch: str, trained: tuple[str, Path]
) -> None:
    """The remote takes the objects and dies at the branch: no lock without objects, ever."""
    hook = remote.hook("update", f'test "$1" != refs/heads/{branch}')
    try:
        said = refused(publish(machine, branch, trained[0], check=False))
    finally:
        hook.unlink()
    assert "the objects are in the store and nothing was committed" in said
    assert remote.tip(branch) == trained[0]
    publish(machine, branch, trained[0])
    assert remote.git("rev-parse", f"{branch}^") == trained[0]


def test_without_the_store_nothing_is_committed(
    machine: BakedProject, remote: Remote, branch: str, trained: tuple[str, Path]
) -> None:
    """A refused store is one sentence; the branch stays where it was, and a re-run succeeds."""
    held = remote.git("for-each-ref", "refs/dvc/store")
    new = machine.path / "handoff/objects"
    (extra := new / ("0" * 32)).write_bytes(b"")
    said = refused(publish(machine, branch, trained[0], check=False))
    assert "damaged" in said and remote.tip(branch) == trained[0]
    extra.unlink()
    assert remote.git("for-each-ref", "refs/dvc/store") == held
    remote.git("update-ref", "-d", "refs/dvc/store")
    hook = remote.hook("update", 'test "$1" != refs/dvc/store')
    try:
        said = refused(publish(machine, branch, trained[0], check=False))
    finally:
        hook.unlink()
        remote.git("update-ref", "refs/dvc/store", held.split()[0])
    assert remote.tip(branch) == trained[0] and said.startswith("publish: ")
    publish(machine, branch, trained[0])


def test_a_branch_that_moved_is_left_alone(
    machine: BakedProject, remote: Remote, branch: str, trained: tuple[str, Path]
) -> None:
    """A person pushed while it trained: their commit stays the newest."""
    tree = remote.git("rev-parse", f"{trained[0]}^{{tree}}")
    ident = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    newer = remote.git(*ident, "commit-tree", tree, "-p", trained[0], "-m", "newer")
    remote.git("update-ref", f"refs/heads/{branch}", newer)
    said = refused(publish(machine, branch, trained[0], check=False))
    assert f"{branch!r} has moved to {newer[:7]}" in said and "nothing was committed" in said
    assert remote.tip(branch) == newer


def test_a_branch_that_was_deleted_is_not_made_again(
    machine: BakedProject, remote: Remote, branch: str, trained: tuple[str, Path]
) -> None:
    remote.git("update-ref", "-d", f"refs/heads/{branch}")
    said = refused(publish(machine, branch, trained[0], check=False))
    assert "has been deleted" in said and remote.tip(branch) is None


@pytest.mark.parametrize(
    "path", ["Makefile", ".github/workflows/ci.yml", "reports/x.py", "reports/a-link.json"]
)
def test_only_what_the_pipeline_generates_is_published(
    machine: BakedProject, remote: Remote, branch: str, trained: tuple[str, Path], path: str
) -> None:
    """The artifact comes from a job that ran the team's code: it is data, not trusted."""
    target = machine.path / "handoff/files" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to("/etc/hostname") if "link" in path else target.write_text("{}")
    said = refused(publish(machine, branch, trained[0], check=False))
    assert "none that the pipeline generates" in said
    assert remote.tip(branch) == trained[0]


# sync and take


@pytest.fixture
def laptop(project: BakedProject, tmp_path: Path) -> BakedProject:
    """A copy of the laptop, on a branch that trained a model of its own."""
    copy = project.copy(tmp_path / "laptop")
    laptop = replace(copy, environment={**project.environment, **IDENTITY})
    laptop.run("git", "checkout", "-qb", "mine", "main")
    set_params(laptop, max_iter="25")
    laptop.make("repro")
    commit(laptop, "My model")
    return laptop


def test_sync_settles_what_two_trainings_wrote(
    laptop: BakedProject, machine: BakedProject, remote: Remote, trained: tuple[str, Path]
) -> None:
    """main got larger leaves and their model: both changes stay, and the runner trains."""
    set_params(machine, min_samples_leaf="150")
    machine.make("fetch", "repro", "push")
    theirs = commit(machine, "Their model")
    before = remote.tip("main")
    machine.run("git", "push", "-q", "origin", "HEAD:main")
    try:
        said = laptop.make("sync").stdout
        assert "has to be trained" in said and "train" in said
        params = yaml.safe_load(laptop.read("params.yaml"))["train"]["arguments"]
        assert (params["max_iter"], params["min_samples_leaf"]) == (25, 150)
        assert laptop.run("git", "status", "--porcelain").stdout == ""
        assert laptop.run("git", "merge-base", "--is-ancestor", theirs, "HEAD").returncode == 0
        assert "=======" not in laptop.read("dvc.lock")
        assert "merged already" in laptop.make("sync").stdout
    finally:
        remote.git("update-ref", "refs/heads/main", str(before))


def test_sync_takes_their_model_where_it_tells_of_the_merge(
    laptop: BakedProject, machine: BakedProject, remote: Remote
) -> None:
    """My branch only undid its own change: main's lock holds for the merge, nothing trains."""
    set_params(laptop, **QUICK)
    commit(laptop, "Never mind")
    set_params(machine, min_samples_leaf="150")
    machine.make("fetch", "repro", "push")
    commit(machine, "Their model")
    before = remote.tip("main")
    machine.run("git", "push", "-q", "origin", "HEAD:main")
    try:
        assert "dvc.lock tells of the merge" in laptop.make("sync").stdout
        assert laptop.read("dvc.lock") == machine.read("dvc.lock")
    finally:
        remote.git("update-ref", "refs/heads/main", str(before))


def test_sync_leaves_other_conflicts_to_a_person(
    laptop: BakedProject, machine: BakedProject, remote: Remote
) -> None:
    """It names them, and loses nothing."""
    set_params(machine, max_iter="26")
    machine.make("fetch", "repro")
    commit(machine, "The same line")
    before = remote.tip("main")
    machine.run("git", "push", "-q", "origin", "HEAD:main")
    try:
        said = refused(laptop.make("sync", check=False))
        assert "'params.yaml' conflict" in said and "git commit" in said
        assert "<" * 7 in laptop.read("params.yaml") and "<" * 7 not in laptop.read("dvc.lock")
    finally:
        remote.git("update-ref", "refs/heads/main", str(before))


def test_sync_touches_nothing_that_is_not_committed(laptop: BakedProject) -> None:
    laptop.write("README.md", "changed\n")
    assert "commit or stash" in refused(laptop.make("sync", check=False))
    assert laptop.read("README.md") == "changed\n"


def test_take_brings_a_forks_change_in(
    laptop: BakedProject, remote: Remote, trained: tuple[str, Path]
) -> None:
    """It is a branch of the repository, and the address to open its pull request is printed."""
    remote.git("update-ref", "refs/pull/7/head", trained[0])
    said = laptop.make("take", PR=7).stdout
    assert remote.tip("take/7") == trained[0]
    assert "/compare/take/7?expand=1" in said
    assert laptop.make("take", PR=7).returncode == 0
    assert "name the pull request's number" in refused(laptop.make("take", check=False, PR="x;id"))


# verify


@pytest.fixture
def committed(machine: BakedProject, remote: Remote, trained: tuple[str, Path]) -> BakedProject:
    """A clone in which a person trained a model, and commits it."""
    shutil.rmtree(machine.path / "handoff")
    machine.run("git", "fetch", "-q", "origin", "seed")
    machine.run("git", "checkout", "-q", trained[0])
    machine.make("fetch", "repro")
    return machine


def edit(project: BakedProject, path: str, table: pl.DataFrame) -> None:
    """Put another file in place of an output, and let dvc.lock name it."""
    file = project.path / path
    file.unlink()
    table.write_parquet(file)
    project.run(".venv/bin/dvc", "commit", "-q", "-f")


def test_an_honest_lock_holds_together(committed: BakedProject) -> None:
    commit(committed, "Trained here")
    assert "holds together" in committed.make("verify").stdout


def test_a_team_may_ask_for_a_full_reproduction(committed: BakedProject) -> None:
    """Every stage runs again; a model of other parameters does not come out the same."""
    commit(committed, "Trained here")
    again = {"REPRODUCE": "true"}
    assert "gives the same dvc.lock" in committed.make("verify", env=again).stdout
    model = committed.path / "models/model.skops"
    model.write_bytes(fat(model.read_bytes()))
    committed.run(".venv/bin/dvc", "commit", "-q", "-f")
    commit(committed, "The same model in other bytes")
    said = refused(committed.make("verify", check=False, env=again))
    assert "gives another dvc.lock" in said


def fat(content: bytes) -> bytes:
    """The same archive with a comment: it loads, scores the same, and is another file."""
    with io.BytesIO(content) as buffer:
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.comment = b"x"
        return buffer.getvalue()


@pytest.mark.parametrize("column", ["score", "truth"])
def test_edited_predictions_do_not_hold_together(committed: BakedProject, column: str) -> None:
    """Scores that the model does not give, or truths that the rows do not have."""
    path = "data/predictions.parquet"
    table = pl.read_parquet(committed.path / path)
    edit(committed, path, table.with_columns(pl.col(column).reverse()))
    commit(committed, "Better on paper")
    assert "'data/predictions.parquet' is not" in refused(committed.make("verify", check=False))


def test_other_scores_than_the_models_do_not_hold_together(committed: BakedProject) -> None:
    path = "data/scores.parquet"
    table = pl.read_parquet(committed.path / path)
    edit(committed, path, table.with_columns(pl.col("score") * 0.5))
    commit(committed, "Scores of another model")
    assert "not those that its model gives" in refused(committed.make("verify", check=False))


def test_other_held_out_rows_do_not_hold_together(committed: BakedProject) -> None:
    """Easy rows kept, hard ones left out: not what the declared date and `split` give."""
    files = sorted((committed.path / "data/holdout").glob("*.parquet"))
    path = str(files[0].relative_to(committed.path))
    edit(committed, path, pl.read_parquet(files[0]).head(500))
    commit(committed, "Fewer rows")
    assert "is not what the split" in refused(committed.make("verify", check=False))


def test_edited_metrics_do_not_hold_together(committed: BakedProject) -> None:
    metrics = json.loads(committed.read("reports/metrics.json"))
    metrics["roc_auc"]["value"] = 0.99
    committed.write("reports/metrics.json", json.dumps(metrics, indent=2) + "\n")
    committed.run(".venv/bin/dvc", "commit", "-q", "-f")
    commit(committed, "A good number")
    assert "'reports/metrics.json' is not" in refused(committed.make("verify", check=False))


def test_a_poisoned_model_is_not_loaded(committed: BakedProject) -> None:
    """A file that names a type which is not trusted is refused before anything of it runs."""
    poison = (
        "import skops.io as s, sys; from sklearn.pipeline import make_pipeline as m;"
        "from sklearn.preprocessing import FunctionTransformer as F; import os;"
        "s.dump(m(F(os.system)), 'models/model.skops')"
    )
    (committed.path / "models/model.skops").unlink()
    committed.run(".venv/bin/python", "-c", poison)
    committed.run(".venv/bin/dvc", "commit", "-q", "-f")
    commit(committed, "Poison")
    said = refused(committed.make("verify", check=False))
    assert "models/model.skops" in said and "trusted" in said


def test_a_lock_that_was_edited_is_stale(committed: BakedProject) -> None:
    """Other inputs than the commit's: it will be trained, not believed."""
    commit(committed, "Trained here")
    lock = yaml.safe_load(committed.read("dvc.lock"))
    lock["stages"]["train"]["params"]["params.yaml"]["train"]["seed"] = 1
    committed.write("dvc.lock", yaml.safe_dump(lock))
    assert "stale=true" in committed.make("stale").stdout


@pytest.mark.parametrize(
    ("lock", "package", "stale"), [("dev", "ruff", "false"), ("train", "scikit-learn", "true")]
)
def test_only_what_the_model_depends_on_trains(
    committed: BakedProject, lock: str, package: str, stale: str
) -> None:
    """A new ruff trains nothing; a new scikit-learn does."""
    commit(committed, "Trained here")
    path = f"requirements/{lock}.lock"
    text, count = re.subn(rf"(?m)^{package}==\S+", f"{package}==99", committed.read(path))
    assert count == 1
    committed.write(path, text)
    said = committed.run(".venv/bin/python", "-m", "flight_delays.gitops", "stale").stdout
    assert f"stale={stale}" in said


def test_a_forgotten_push_is_named(committed: BakedProject, remote: Remote, tmp_path: Path) -> None:
    """The lock names an object that the store does not hold: the command that mends it is said."""
    set_params(committed, max_iter="31")
    committed.make("repro")
    commit(committed, "Not pushed")
    committed.run("git", "push", "-q", "origin", "HEAD:refs/heads/forgotten")
    other = clone(remote, tmp_path / "other", committed, "forgotten")
    for target in ("stored", "verify"):
        said = refused(other.make(target, check=False))
        assert "make push" in said and "lacks" in said
    committed.make("push")
    assert "holds the" in other.make("stored").stdout


def test_only_what_the_store_lacks_is_handed_on(trained: tuple[str, Path], remote: Remote) -> None:
    names = {path.name for path in (trained[1] / "objects").iterdir()}
    assert 3 <= len(names) <= 6
    assert os.path.exists(trained[1] / "files/dvc.lock")


def test_a_lock_file_that_does_not_match_pyproject_is_named(machine: BakedProject) -> None:
    """A dependency was added and `make lock` forgotten: the sentence names the file."""
    machine.make("locked")
    text = machine.read("pyproject.toml").replace(
        '"skops>=0.13,<1",', '"skops>=0.13,<1",\n "tomli",'
    )
    machine.write("pyproject.toml", text)
    said = refused(machine.make("locked", check=False))
    assert "requirements/train.lock" in said and "did not match pyproject.toml" in said
    assert head(machine) == head(machine, "main")
