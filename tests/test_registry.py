"""`make registry`: MLflow agrees with `release`'s history, in a file and on a server."""

import hashlib
import itertools
import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import postgres
from baking import IDENTITY, BakedProject, Oven
from prepared import SMALL
from registered import View, in_file, view
from team import Remote, commit, head, set_params, with_a_python
from tracking import Between, Server, mlflow_server, named, running, serving

pytestmark = pytest.mark.slow
NAME = "flight_delays"
MODEL = "models/model.skops"


# What the tests stand on


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Remote:
    return Remote.create(tmp_path_factory.mktemp("remote") / "flight-delays.git")


@pytest.fixture(scope="module")
def project(oven: Oven, tmp_path_factory: pytest.TempPathFactory, remote: Remote) -> BakedProject:
    """A laptop, on `main` with two models after each other, whose objects are in the store."""
    project = with_a_python(oven.bake(tmp_path_factory.mktemp("laptop"), {}))
    project = replace(project, environment={**project.environment, **IDENTITY})
    set_params(project, **SMALL)
    project.make("setup", ".venv-tracking/.synced")
    project.run("git", "remote", "add", "origin", str(remote.path))
    commit(project, "Generated")
    project.run("git", "tag", "none")
    for name, iterations in (("one", "20"), ("two", "30")):
        set_params(project, max_iter=iterations)
        project.make("repro")
        commit(project, name)
        project.run("git", "tag", name)
        project.make("push")
    project.run("git", "push", "-q", "origin", "main")
    return project


@pytest.fixture
def release(project: BakedProject) -> "Promote":
    return Promote(project)


@dataclass(frozen=True)
class Promote:
    """Writes `release`'s history: `release("one", "two", "one")` ends with a rollback."""

    project: BakedProject

    def __call__(self, *revisions: str) -> str:
        """Merge each revision in turn, as GitHub does; equal histories are equal commits."""
        tip = head(self.project, "none")
        for number, revision in enumerate(revisions, 1):
            when = f"{1_700_000_000 + number} +0000"
            who = {"GIT_AUTHOR_NAME": f"Merger {number}", "GIT_AUTHOR_DATE": when}
            made = self.project.run(
                *("git", "commit-tree", f"{revision}^{{tree}}", "-p", tip, "-p", revision),
                *("-m", f"Merge pull request #{number} from team/promote"),
                env=who | {"GIT_COMMITTER_DATE": when},
            )
            tip = made.stdout.strip()
        self.project.run("git", "push", "-q", "--force", "origin", f"{tip}:refs/heads/release")
        self.project.run("git", "fetch", "-q", "origin")
        return tip


class Registry:
    """The registry of an MLflow server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def call(self, method: str, verb: str = "POST", **body: Any) -> dict[str, Any]:
        path = f"/api/2.0/mlflow/{method}"
        return dict(json.loads(self.server.ask(path, {"name": NAME, **body}, verb)))

    def get(self, path: str) -> dict[str, Any]:
        return dict(json.loads(self.server.ask(f"/api/2.0/mlflow/{path}")))

    def versions(self) -> list[dict[str, Any]]:
        found = self.get(f"model-versions/search?filter=name%3D'{NAME}'")
        return list(found.get("model_versions", []))

    def aliases(self) -> dict[str, int]:
        found = self.get(f"registered-models/get?name={NAME}")["registered_model"]
        return {each["alias"]: int(each["version"]) for each in found.get("aliases", [])}

    def view(self) -> View:
        listed = {
            int(each["version"]): dict(sorted(named(each.get("tags", [])).items()))
            for each in self.versions()
        }
        return view(listed, self.aliases().get("champion"))

    def version(self, model: str) -> int:
        """The number of the only version of a model."""
        (found,) = [v for v in self.versions() if named(v["tags"])["model_md5"] == model]
        return int(found["version"])

    def clear(self) -> None:
        """Delete the model and put its runs away."""
        if self.get("registered-models/search?max_results=10").get("registered_models"):
            self.call("registered-models/delete", "DELETE")
        self.server.forget()


@pytest.fixture(scope="module")
def mlflow(project: BakedProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MLflow's own server, on a PostgreSQL where there is one, else on a file."""
    folder = tmp_path_factory.mktemp("mlflow")
    with ExitStack() as stack:
        database, env = f"sqlite:///{folder}/mlflow.db", {}
        if postgres.programs():
            database = stack.enter_context(postgres.postgresql())
            env["PYTHONPATH"] = str(postgres.driver(project, folder / "driver"))
        yield stack.enter_context(mlflow_server(project, folder, database, **env))


@pytest.fixture
def registry(mlflow: Server) -> Registry:
    """The server's registry, which is empty."""
    registry = Registry(mlflow)
    registry.clear()
    return registry


def reconcile(
    project: BakedProject, address: str, check: bool = True, **variables: object
) -> subprocess.CompletedProcess[str]:
    few = {"MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    return project.make("registry", check=check, env=few, **variables)


def sentence(refused: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failure prints before make's own."""
    assert refused.returncode != 0, refused.stdout
    (said, make) = refused.stderr.splitlines()
    assert said.startswith("registry: ") and make.startswith("make: ***")
    return said


def model(project: BakedProject, revision: str) -> str:
    """The MD5 of the model that a commit's dvc.lock names."""
    lock = yaml.safe_load(project.run("git", "show", f"{revision}:dvc.lock").stdout)
    return str({o["path"]: o["md5"] for o in lock["stages"]["train"]["outs"]}[MODEL])


def at_once(project: BakedProject, address: str, folder: Path) -> list[int]:
    """The exit codes of two that start at the same moment."""
    env, logs = {"MLFLOW_TRACKING_URI": address}, [folder / "one", folder / "two"]
    with (
        running(project, "make", "registry", env=env, log=logs[0]) as one,
        running(project, "make", "registry", env=env, log=logs[1]) as two,
    ):
        codes = [process.wait(timeout=300) for process in (one, two)]
    assert codes == [0, 0], [log.read_text() for log in logs]
    return codes


# In a file


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("file") / "mlflow.db"


@pytest.fixture(scope="module")
def filled(project: BakedProject, database: Path) -> View:
    """Two models and a rollback, in an MLflow that is a file."""
    Promote(project)("one", "two", "one")
    reconcile(project, f"sqlite:///{database}")
    return in_file(database)


def test_each_model_is_one_version_and_the_champion_is_releases(
    project: BakedProject, filled: View
) -> None:
    """Three releases, the last a rollback: two versions, with all that git knows of the first."""
    one, two = (model(project, name) for name in ("one", "two"))
    assert (filled.models, filled.champion) == (sorted([one, two]), one)
    (tags,) = [tags for tags in filled.versions if tags["model_md5"] == one]
    lock = project.run("git", "show", "one:dvc.lock").stdout
    stages = yaml.safe_load(lock)["stages"]
    data = {o["path"]: o["md5"] for o in stages["split"]["outs"]}
    (environment,) = [d for d in stages["train"]["deps"] if d["path"].endswith(".lock")]
    assert tags == {
        "model_md5": one,
        "train_md5": data["data/train"],
        "holdout_md5": data["data/holdout"],
        "environment_md5": environment["md5"],
        "dvc_lock": hashlib.sha256(lock.encode()).hexdigest(),
        "release": "v1",
        "commit": head(project, "origin/release~2"),
        "merged_by": "Merger 1",
        "merged_at": "2023-11-14T22:13:21+00:00",
        "pull_request": "1",
    }


def test_a_version_is_its_run_and_holds_the_stores_bytes(
    project: BakedProject, database: Path, filled: View
) -> None:
    """The run is that of its dvc.lock, and the file is the very model that the lock names."""
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT run_id, source FROM model_versions").fetchall()
        runs = dict(connection.execute("SELECT run_uuid, value FROM tags WHERE key = 'dvc_lock'"))
    digests = set()
    for run, source in found:
        assert runs[run] in {tags["dvc_lock"] for tags in filled.versions}
        content = Path(source.removeprefix("file://"), "model.skops").read_bytes()
        digests.add(hashlib.md5(content).hexdigest())
    assert digests == set(filled.models)


def test_a_second_run_says_so_and_writes_nothing(
    project: BakedProject, database: Path, filled: View
) -> None:
    before = database.read_bytes()
    said = reconcile(project, f"sqlite:///{database}").stdout
    assert "registry: nothing to do: 'champion' is on the model" in said
    assert said.count("\n") == 1
    assert database.read_bytes() == before


def test_a_dry_run_prints_the_plan_and_makes_nothing(
    project: BakedProject, release: Promote, tmp_path: Path
) -> None:
    release("one", "two", "one")
    said = reconcile(project, f"sqlite:///{tmp_path}/new.db", DRY=1).stdout.splitlines()
    assert [re.sub(r"\b[0-9a-f]{7,8}\b", "…", line) for line in said] == [
        "registry: to do: register the model … of v1 (…)",
        "registry: to do: register the model … of v2 (…)",
        "registry: to do: point 'champion' at the model … of v3 (…)",
    ]
    assert not (tmp_path / "new.db").exists()


def test_two_at_once_on_a_file_leave_one_version_each(
    project: BakedProject, release: Promote, filled: View, tmp_path: Path
) -> None:
    """Both start on a file that is not there yet."""
    release("one", "two", "one")
    for number in range(2):
        at_once(project, f"sqlite:///{tmp_path}/{number}.db", tmp_path)
        assert in_file(tmp_path / f"{number}.db") == filled


def test_before_the_first_promotion_nothing_is_to_do(
    project: BakedProject, release: Promote, tmp_path: Path
) -> None:
    """And once `release` names no model any more, it says so and changes nothing."""
    release()
    assert "names no model yet" in reconcile(project, f"sqlite:///{tmp_path}/new.db").stdout
    tip = release("one", "none")
    said = sentence(reconcile(project, f"sqlite:///{tmp_path}/new.db", check=False))
    assert f"{tip[:7]} is none of the 1 releases of origin/release" in said
    assert not (tmp_path / "new.db").exists()


# On a server


def test_the_server_keeps_its_tables_in_postgresql(mlflow: Server) -> None:
    """Not so where Debian's package is missing: then the tests below run on a file behind it."""
    if not postgres.programs():
        pytest.skip("Debian's package postgresql is not installed")
    assert mlflow.ask("/health") == b"OK"


def test_from_an_empty_server_it_is_the_same_registry(
    project: BakedProject, release: Promote, registry: Registry, filled: View
) -> None:
    """By hashes, tags and alias; and the file that MLflow hands out is the store's."""
    release("one", "two", "one")
    reconcile(project, registry.server.address)
    assert registry.view() == filled
    for version in registry.versions():
        place = version["source"].removeprefix("mlflow-artifacts:/")
        path = f"/api/2.0/mlflow-artifacts/artifacts/{place}/model.skops"
        found = hashlib.md5(registry.server.ask(path)).hexdigest()
        assert found == named(version["tags"])["model_md5"]


def test_two_at_once_on_a_server_leave_one_version_each(
    project: BakedProject, release: Promote, registry: Registry, filled: View, tmp_path: Path
) -> None:
    release("one", "two", "one")
    for _ in range(3):
        registry.clear()
        at_once(project, registry.server.address, tmp_path)
        assert registry.view() == filled
        assert len(registry.server.runs()) == 2


class Watched(Between):
    """Notes each write that passes, and refuses those of one kind."""

    writes: list[str]
    kind = "nothing"

    def refuses(self) -> bytes | None:
        asked = self.path.partition("/mlflow/")[2] or self.path
        if asked.endswith("/search"):
            return None
        type(self).writes.append(asked)
        refused = type(self).kind in self.path
        return b'{"error_code": "BAD_REQUEST", "message": "the disk is full"}' if refused else None


@pytest.fixture
def watched(mlflow: Server) -> Iterator[tuple[type[Watched], str]]:
    """What stands before the server, and its address."""

    class Mine(Watched):
        server_address = mlflow.address
        writes: list[str] = []  # noqa: RUF012

    with serving(Mine) as address:
        yield Mine, address


def test_a_rollback_writes_the_alias_alone_a_plan_and_a_second_run_nothing(
    project: BakedProject,
    release: Promote,
    registry: Registry,
    watched: tuple[type[Watched], str],
) -> None:
    """The version exists: nothing is recorded, registered or trained."""
    release("one", "two")
    reconcile(project, registry.server.address)
    assert registry.view().champion == model(project, "two")
    release("one", "two", "one")
    proxy, address = watched
    assert "to do: point 'champion' at" in reconcile(project, address, DRY=1).stdout
    assert proxy.writes == []
    reconcile(project, address)
    assert proxy.writes == ["registered-models/alias"]
    assert registry.view().champion == model(project, "one")
    assert "nothing to do" in reconcile(project, address).stdout
    assert len(proxy.writes) == 1


WRITES = (
    "mlflow-artifacts",
    "registered-models/create",
    "model-versions/create",
    "registered-models/alias",
)


def test_a_server_that_fails_half_way_keeps_the_champion_and_the_next_run_ends_it(
    project: BakedProject,
    release: Promote,
    registry: Registry,
    watched: tuple[type[Watched], str],
    filled: View,
) -> None:
    """It refuses one kind of write after the other: each time a sentence, and the old champion."""
    release("one", "two")
    reconcile(project, registry.server.address)
    registry.call("model-versions/delete", "DELETE", version="1")  # so all is to do again
    registry.server.forget()
    release("one", "two", "one")
    proxy, address = watched
    for kind in WRITES:
        proxy.kind = kind
        said = sentence(reconcile(project, address, check=False))
        assert f"MLflow at {address} did not agree with release: " in said
        assert "the disk is full" in said or "400 Client Error" in said
        assert "`make registry` again" in said
        assert registry.view().champion == model(project, "two")
        assert len(registry.versions()) <= 2
    proxy.kind = "nothing"
    reconcile(project, address)
    assert registry.view() == filled
    assert len(registry.server.runs()) == 1


def test_a_server_that_is_not_there_is_one_sentence(
    project: BakedProject, release: Promote
) -> None:
    release("one")
    said = sentence(reconcile(project, "http://127.0.0.1:9", check=False))
    assert "http://127.0.0.1:9" in said and "Connection refused" in said


def test_what_somebody_changed_by_hand_comes_back_and_what_is_theirs_stays(
    project: BakedProject, release: Promote, registry: Registry, filled: View
) -> None:
    """A version deleted, an alias moved, a tag edited; theirs: a model, an alias, a version."""
    release("one", "two", "one")
    reconcile(project, registry.server.address)
    one, two = (registry.version(model(project, name)) for name in ("one", "two"))
    registry.call("registered-models/create", name="theirs")
    registry.call("registered-models/alias", alias="champion", version=str(two))
    registry.call("registered-models/alias", alias="canary", version=str(one))
    registry.call("model-versions/set-tag", version=str(one), key="merged_by", value="Eve")
    run = registry.server.runs()[0]["info"]
    theirs = registry.call(
        "model-versions/create", source=f"{run['artifact_uri']}/theirs", run_id=run["run_id"]
    )["model_version"]["version"]
    registry.call("model-versions/delete", "DELETE", version=str(two))
    said = reconcile(project, registry.server.address).stdout
    assert f"left alone, without our tags: {NAME} {theirs}\n" in said
    assert registry.aliases() == {"champion": one, "canary": one}
    assert registry.view().versions == [*filled.versions, {}]
    assert registry.get("registered-models/get?name=theirs")
    registry.call("registered-models/delete", "DELETE", name="theirs")


def test_the_alias_waits_while_release_is_somewhere_else(
    project: BakedProject, release: Promote, registry: Registry, filled: View
) -> None:
    """An older run that comes late makes its versions, and leaves the alias to the newer one."""
    older, newer = release("one", "two"), release("one", "two", "one")
    said = reconcile(project, registry.server.address, COMMIT=older).stdout
    assert f"'champion' stays where it is: release has moved to {newer[:7]}" in said
    assert registry.view() == replace(filled, champion=None)
    reconcile(project, registry.server.address, COMMIT=newer)
    assert registry.view() == filled
    said = sentence(reconcile(project, registry.server.address, check=False, COMMIT="main"))
    assert "is none of the 3 releases of origin/release" in said


# What cannot be registered


@pytest.fixture
def laptop(project: BakedProject, tmp_path: Path) -> Iterator[Callable[[bytes, str], str]]:
    """Commits a lock that names another model: `laptop(content, md5)`, and the cache holds it."""
    numbers = itertools.count()
    made = []

    def commit_model(content: bytes, name: str) -> str:
        cached = project.path / ".dvc/cache/files/md5" / name[:2] / name[2:]
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_bytes(content)
        made.append(cached)
        lock = project.read("dvc.lock").replace(model(project, "HEAD"), name)
        project.write("dvc.lock", lock)
        project.run("git", "commit", "-qam", f"By hand {next(numbers)}")
        found = head(project)
        project.run("git", "reset", "-q", "--hard", "two")
        return found

    yield commit_model
    for cached in made:
        cached.unlink()


def test_a_damaged_and_a_poisoned_model_are_refused_and_the_others_are_made(
    project: BakedProject,
    release: Promote,
    registry: Registry,
    laptop: Callable[[bytes, str], str],
    tmp_path: Path,
) -> None:
    """One has not the lock's hash, the other has it and holds a type that is not trusted."""
    poison = (
        "import skops.io as s, sys, os; from sklearn.pipeline import make_pipeline as m;"
        "from sklearn.preprocessing import FunctionTransformer as F;"
        "s.dump(m(F(os.system)), sys.argv[1])"
    )
    project.run(".venv/bin/python", "-c", poison, tmp_path / "poison")
    content = (tmp_path / "poison").read_bytes()
    damaged = laptop(b"damaged", "d" * 32)
    poisoned = laptop(content, hashlib.md5(content).hexdigest())
    release("one", damaged, poisoned, "two")
    said = sentence(reconcile(project, registry.server.address, check=False))
    assert "of v2" in said and "is not the model that dvc.lock names" in said
    assert "of v3" in said and "is not trusted" in said and "all else is done" in said
    assert len(registry.server.runs()) == 2
    found = registry.view()
    assert found.models == sorted(model(project, name) for name in ("one", "two"))
    assert found.champion == model(project, "two")


def test_a_model_that_the_store_lost_is_named_and_the_others_are_made(
    project: BakedProject, release: Promote, registry: Registry, remote: Remote, filled: View
) -> None:
    """The champion is made; once the object is back, so is its version."""
    release("one", "two", "one")
    store, name = remote.git("rev-parse", "refs/dvc/store"), model(project, "two")
    cached = project.path / ".dvc/cache/files/md5" / name[:2] / name[2:]
    remote.git("update-ref", "refs/dvc/store", "refs/dvc/store^")
    aside = shutil.move(cached, cached.with_suffix(".aside"))
    try:
        said = sentence(reconcile(project, registry.server.address, check=False))
        assert f"could not register the model {name[:8]} of v2" in said and "lacks 1 object" in said
        assert registry.view().models == [model(project, "one")]
        assert registry.view().champion == model(project, "one")
    finally:
        shutil.move(aside, cached)
        remote.git("update-ref", "refs/dvc/store", store)
    reconcile(project, registry.server.address)
    assert registry.view() == filled
