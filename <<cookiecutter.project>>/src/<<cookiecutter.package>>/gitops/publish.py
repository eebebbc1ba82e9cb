"""Objects to the store first, then the commit that names them: never the other way round.

This runs in a job that can write to the repository, from a checkout of the default branch. What the
team's code made arrives as data: files of known names, and objects that are what their names say.
"""

import os
import tempfile
from pathlib import Path

from ..errors import ProjectError
from ..params import Store as Place
from ..storage.gitref import SILENCE, job_token
from . import handoff, supply
from .accept import RECORD
from .lock import LOCK, SYSTEM, asks, at, git, show

BOT = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "github-actions[bot]"),
        ("EMAIL", "41898282+github-actions[bot]@users.noreply.github.com"),
    )
}


def run(root: Path, place: Place, folder: Path, branch: str, parent: str) -> str:
    """Push the packed objects, then commit the packed files on `branch`, whose tip is `parent`.

    Published again, nothing happens: a commit on `parent` with these files is the result, whatever
    the times in its system figures.

    Returns:
        The commit's hash.

    Raises:
        ProjectError: the branch has moved or is gone, something handed over is not what it should
            be, or the remote refuses.
    """
    root = root.resolve()
    os.environ.update(login())
    given = handoff.files(folder)
    git(root, "fetch", "--quiet", "--no-tags", place.remote, parent)
    tip = head(root, place.remote, branch)
    if published(root, place.remote, tip, given, parent):
        print(f"publish: {tip[:7]} on {branch!r} is it already")
        return tip
    refuse_moved(branch, tip, parent)
    commit = write(root, given, parent, "Train the model" if LOCK in given else "Accept the model")
    if LOCK in given:
        handoff.take(root, folder)
        supply.send(root, {**at(root, parent), LOCK: given[LOCK]}, place)
    push(root, place.remote, branch, commit, parent)
    print(f"publish: {commit[:7]} on {branch!r}")
    return commit


def login() -> dict[str, str]:
    """The job's token for every git that starts from here: a checkout keeps no credentials.

    None of them waits long for a server that is silent.
    """
    pairs = [*job_token([]), *SILENCE.items()]
    found = {"GIT_CONFIG_COUNT": str(len(pairs)), "GIT_TERMINAL_PROMPT": "0"}
    for number, (key, value) in enumerate(pairs):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def head(root: Path, remote: str, branch: str) -> str:
    """The branch's newest commit; empty where there is no such branch."""
    found = git(root, "ls-remote", "--heads", remote, f"refs/heads/{branch}").decode().split()
    return found[0] if found else ""


def published(root: Path, remote: str, tip: str, files: dict[str, bytes], parent: str) -> bool:
    """Whether the branch's newest commit is what an earlier attempt of this job made."""
    if not tip or tip == parent:
        return False
    git(root, "fetch", "--quiet", "--no-tags", remote, tip)
    return asks(root, "rev-parse", f"{tip}^") == parent and all(
        show(root, tip, path) == content for path, content in files.items() if path != SYSTEM
    )


def refuse_moved(branch: str, tip: str, parent: str) -> None:
    """Raises: ProjectError: the branch is not where the model was judged."""
    if tip == parent:
        return
    now = f"moved to {tip[:7]}" if tip else "been deleted"
    step = "the run of the newer commit takes over" if tip else "push it again"
    raise ProjectError(
        f"{branch!r} has {now} while {parent[:7]} was trained and compared, so nothing was "
        f"committed: {step}"
    )


def write(root: Path, files: dict[str, bytes], parent: str, text: str) -> str:
    """A commit of the parent's tree with these files, made without checking anything out."""
    when = git(root, "show", "-s", "--format=%cI", parent).decode().strip()
    with tempfile.TemporaryDirectory(prefix="index-") as scratch:
        env = {**os.environ, **BOT, "GIT_INDEX_FILE": str(Path(scratch) / "index")}
        env |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        git(root, "read-tree", parent, env=env)
        if LOCK in files:  # an acceptance counts for one model
            git(root, "update-index", "--force-remove", RECORD, env=env)
        for path, content in sorted(files.items()):
            blob = git(root, "hash-object", "-w", "--stdin", stdin=content).decode().strip()
            git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
        tree = git(root, "write-tree", env=env).decode().strip()
        return git(root, "commit-tree", tree, "-p", parent, "-m", text, env=env).decode().strip()


def push(root: Path, remote: str, branch: str, commit: str, parent: str) -> None:
    """Move the branch from `parent` to `commit`, if it is still there.

    Raises:
        ProjectError: the branch has moved meanwhile, or the remote refuses.
    """
    lease = f"--force-with-lease=refs/heads/{branch}:{parent}"
    try:
        git(root, "push", "--quiet", "--no-verify", lease, remote, f"{commit}:refs/heads/{branch}")
    except ProjectError as error:
        tip = head(root, remote, branch)
        if tip != commit:  # else the answer was lost, not the push
            refuse_moved(branch, tip, parent)
            raise ProjectError(
                f"{error}; the objects are in the store and nothing was committed: run the job "
                "again, and check that the branch's rules let Actions push to it"
            ) from None
