"""MLflow's registered model as a projection of `release`'s history: `make registry`.

Each model that was ever in production is one version, and the alias `champion` is on the one that
is. Git decides and the store holds the files, so an empty registry is filled from these two alone.
Unlike stages this module runs in MLflow's own environment.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException

from . import track
from .errors import ProjectError
from .gitops.history import BRANCH, Release, releases
from .gitops.lock import LOCK, SYSTEM, asks, show
from .gitops.projection import (
    CHAMPION,
    OURS,
    Action,
    Correct,
    Found,
    Point,
    Register,
    Remove,
    Version,
    called,
    plan,
    tags,
)
from .gitops.side import METRICS, MODEL
from .params import Params, flat, read
from .storage.gitref import Git, GitFailed, workshop
from .storage.objects import folded

SHOWN = 3  # of what could not be done
PARAMS, DATA = "params.yaml", "reports/data.json"


def run(params: Params, action: str, commit: str) -> None:
    """Print what is to do, and do it unless `action` is plan.

    Args:
        commit: the release to project; empty for the remote's `release` as this clone knows it.

    Raises:
        ProjectError: MLflow does not answer, or a version could not be made. The champion is then
            the old one, unless all that the new one needs was done.
    """
    root, remote = Path.cwd(), params.store.remote
    history = wanted(root, remote, commit)
    if not history:
        print(f"registry: nothing to do: {BRANCH} names no model yet")
        return
    with track.reached(f"agree with {BRANCH}", "make registry"):
        found = find()
        actions = plan(history, found)
        mention(found)
        if not actions:
            print(f"registry: nothing to do: {CHAMPION!r} is on {called(history[-1])}")
        elif action == "plan":
            print(*(f"registry: to do: {each}" for each in actions), sep="\n")
        else:
            settle(history, actions, root, remote)


def wanted(root: Path, remote: str, commit: str) -> list[Release]:
    """The releases up to a commit.

    Raises:
        ProjectError: there is no such branch, or the commit is none of its releases.
    """
    name = f"{remote}/{BRANCH}"
    tip, last = resolve(root, name), resolve(root, commit or name)
    if tip is None:
        raise ProjectError(
            f"this clone has no {name!r}: `git fetch` brings it, and the first promotion makes it"
        )
    history = releases(tip, root)
    known = [release.commit for release in history]
    if history and last not in known:
        raise ProjectError(
            f"{(last or commit)[:7]} is none of the {len(history)} releases of {name}: its {LOCK} "
            "names no model, or the branch has lost it; nothing was changed"
        )
    return history[: known.index(str(last)) + 1] if history else []


def resolve(root: Path, revision: str) -> str | None:
    return asks(root, "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")


def find() -> Found:
    """The registered model of this package, as MLflow has it now."""
    uri = os.environ["MLFLOW_TRACKING_URI"]
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return Found()  # to ask would be to make it
    client = MlflowClient()
    try:
        aliases = client.get_registered_model(__package__).aliases
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return Found()
    named = {alias: int(number) for alias, number in aliases.items()}
    return Found(list(versions(client)), named)


def versions(client: Any) -> Iterator[Version]:
    query, page = f"name = '{__package__}'", None
    while page is None or page.token:
        page = client.search_model_versions(query, page_token=page and page.token)
        yield from (Version(int(each.version), dict(each.tags)) for each in page)


def mention(found: Found) -> None:
    """Say which versions are none of ours."""
    if numbers := [str(version.number) for version in found.versions if OURS not in version.tags]:
        print(f"registry: left alone, without our tags: {__package__} {', '.join(numbers)}")


def settle(history: list[Release], actions: list[Action], root: Path, remote: str) -> None:
    """Do what was planned.

    Raises:
        ProjectError: some of it could not be done.
    """
    try:
        problems = apply(actions, root, remote)
    except RestException:
        # Another run may have written the same at the same moment: what is left is planned anew.
        problems = apply(plan(history, find()), root, remote)
    if problems:
        more = f"; and {len(problems) - SHOWN} more" * (len(problems) > SHOWN)
        raise ProjectError(f"{'; '.join(problems[:SHOWN])}{more}; all else is done")


def apply(actions: list[Action], root: Path, remote: str) -> list[str]:
    """Do it in order; why some of it could not be done."""
    problems = []
    for action in actions:
        print(f"registry: {action}", flush=True)
        try:
            match action:
                case Register(release):
                    register(release, root)
                case Correct(version, wrong):
                    for name, value in wrong.items():
                        MlflowClient().set_model_version_tag(__package__, version, name, value)
                case Point(release):
                    point(release, root, remote)
                case Remove(version):
                    remove(version)
        except ProjectError as error:
            problems.append(f"could not {action}: {error}")
    return problems


def register(release: Release, root: Path) -> None:
    """Record the run of a release's lock, and make its model a version.

    Raises:
        ProjectError: the store has not its model, or the file is not what it should be.
    """
    with tempfile.TemporaryDirectory(prefix="release-") as name:
        source = laid_out(release, root, Path(name))
        source.check()
        run_id, _ = track.record(source)
    client = MlflowClient()
    try:
        client.create_registered_model(__package__)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    place = f"{client.get_run(run_id).info.artifact_uri}/model"
    made = client.create_model_version(__package__, place, run_id, tags=tags(release))
    if int(made.version) != find().of(release.model)[0].number:
        remove(int(made.version))  # another run was first


def laid_out(release: Release, root: Path, folder: Path) -> track.Source:
    """The files of a release that its run is made from, its model from the store.

    Raises:
        ProjectError: its commit or the store lacks one.
    """
    files = {
        path: show(root, release.commit, path) for path in (LOCK, PARAMS, METRICS, DATA, SYSTEM)
    }
    write(folder, files)
    environment = f"requirements/{flat(read(folder / PARAMS)).get('train.environment')}.lock"
    write(folder, {environment: show(root, release.commit, environment)})
    obtain(release, root, folder)
    named = (environment, METRICS, DATA, SYSTEM, MODEL, LOCK)
    return track.Source(folder, release.commit, *map(Path, named))


def write(folder: Path, files: dict[str, bytes | None]) -> None:
    for path, content in files.items():
        if content is not None:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def obtain(release: Release, root: Path, folder: Path) -> None:
    """Bring a release's model from the store, by the environment that has DVC: `python`.

    Raises:
        ProjectError: the store lacks it, or cannot be read.
    """
    module = f"{__package__}.gitops"
    command = ["python", "-m", module, "obtain", release.commit, MODEL, str(folder)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise ProjectError(last.removeprefix("obtain: "))


def point(release: Release, root: Path, remote: str) -> None:
    """Put the alias on a release's model, if it is still the one in production.

    Raises:
        ProjectError: the remote does not say so.
    """
    ours = find().of(release.model)
    now = tip(root, remote)
    if not ours:
        print(f"registry: {CHAMPION!r} stays where it is: that model has no version")
    elif now != release.commit:
        print(
            f"registry: {CHAMPION!r} stays where it is: {BRANCH} has moved to "
            f"{now[:7] or 'nowhere'}, whose own run moves it"
        )
    else:
        MlflowClient().set_registered_model_alias(__package__, CHAMPION, str(ours[0].number))


def tip(root: Path, remote: str) -> str:
    """Where the remote's `release` is now; empty where there is none.

    Raises:
        ProjectError: the remote does not answer.
    """
    with workshop(root) as folder:
        try:
            asked = ("ls-remote", "--", remote, f"refs/heads/{BRANCH}")
            return Git(root, folder, remote).run(*asked).partition("\t")[0]
        except GitFailed as error:
            raise ProjectError(
                f"the remote {remote!r} does not say where {BRANCH} is: {folded(error)}; check the "
                "network and your access with `git fetch`"
            ) from None


def remove(version: int) -> None:
    """Remove a version, unless an alias is on it or another run was first."""
    if version in find().aliases.values():
        return
    try:
        MlflowClient().delete_model_version(__package__, str(version))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
