"""Put the page onto the branch `gh-pages`: one commit a change, nothing forced.

This runs in a job that can write to the repository, from a checkout of the default branch. What the
team's code made arrives as data: two files of known names.
"""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from .lock import asks, git, show
from .publish import BOT, login
from .site import BRANCH, DATA, PAGE, read

LIMIT = 20_000_000
"""Bytes of a file; a page has some hundred thousand."""

ATTEMPTS = 5
"""How often to begin again where another run was first."""

PLAIN = ".nojekyll"
"""Tells GitHub Pages to serve the files as they are."""


def run(root: Path, remote: str, folder: Path) -> None:
    """Commit the page and push it, unless it is there already, or a newer one is.

    Raises:
        ProjectError: the files are not what they should be, or the remote refuses.
    """
    if "GITHUB_ACTIONS" in os.environ:
        os.environ.update(login())
    files = given(folder)
    for attempt in range(ATTEMPTS):
        tip = fetched(root, remote)
        if why := settled(root, tip, files):
            print(f"pages: {why}")
            return
        commit = write(root, merged(root, tip, files), tip)
        try:
            git(root, "push", "--quiet", "--no-verify", remote, f"{commit}:refs/heads/{BRANCH}")
        except ProjectError:
            if attempt == ATTEMPTS - 1 or fetched(root, remote) == tip:
                raise
            continue
        print(f"pages: {commit[:7]} on {BRANCH!r}")
        return


def fetched(root: Path, remote: str) -> str:
    """The branch's newest commit, empty where there is none; all branches are known then."""
    everything = "+refs/heads/*:refs/remotes/origin/*"
    git(root, "fetch", "--quiet", "--no-tags", "--prune", remote, everything)
    line = ("rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{BRANCH}")
    return asks(root, *line) or ""


def given(folder: Path) -> dict[str, bytes]:
    """The two files.

    Raises:
        ProjectError: one is missing, is no plain file, is too large or is no page's data.
    """
    found = dict[str, bytes]()
    for name in (PAGE, DATA):
        file = folder / name
        if file.is_symlink() or not file.is_file() or file.stat().st_size > LIMIT:
            raise ProjectError(
                f"{file} is no plain file of at most {LIMIT:,} bytes: `make site` writes it"
            )
        found[name] = file.read_bytes()
    read(found[DATA])
    return {**found, PLAIN: b""}


def settled(root: Path, tip: str, files: dict[str, bytes]) -> str:
    """Why nothing has to be published; empty where something has."""
    if not tip:
        return ""
    if all(show(root, tip, path) == content for path, content in files.items()):
        return f"{BRANCH!r} shows this already"
    ours, theirs = read(files[DATA]), published(root, tip)
    newer = all(reaches(root, theirs.get(b, ""), ours[b]) for b in ("main", "release"))
    if newer and any(theirs[branch] != ours[branch] for branch in ("main", "release")):
        return f"{BRANCH!r} shows a newer state already"
    return ""


def published(root: Path, tip: str) -> dict[str, Any]:
    """The data that is there; empty where nobody can read it."""
    with suppress(ProjectError):
        return read(show(root, tip, DATA) or b"")
    return {}


def reaches(root: Path, later: str, commit: str) -> bool:
    """Whether a commit's history has another one; none at all is in every history."""
    if not commit or later == commit:
        return True
    line = ("merge-base", "--is-ancestor", "--end-of-options", commit, later)
    return bool(later) and asks(root, *line) is not None


def merged(root: Path, tip: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files, with pull requests that another run heard of meanwhile."""
    ours, theirs = read(files[DATA]), published(root, tip) if tip else {}
    missing = theirs.get("pulls", {}).keys() - ours["pulls"].keys()
    if not missing:
        return files
    ours["pulls"] |= {number: theirs["pulls"][number] for number in missing}
    text = json.dumps(ours, indent=1, ensure_ascii=False)
    return {**files, DATA: f"{text}\n".encode()}


def write(root: Path, files: dict[str, bytes], tip: str) -> str:
    """A commit of these files and no others, on top of what is there."""
    when = git(root, "show", "-s", "--format=%cI", "HEAD").decode().strip()
    with tempfile.TemporaryDirectory(prefix="index-") as scratch:
        env = {**os.environ, **BOT, "GIT_INDEX_FILE": str(Path(scratch) / "index")}
        env |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        for path, content in files.items():
            blob = git(root, "hash-object", "-w", "--stdin", stdin=content).decode().strip()
            git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
        tree = git(root, "write-tree", env=env).decode().strip()
        line = ["commit-tree", tree, *(["-p", tip] if tip else []), "-m", "Renew the page"]
        return git(root, *line, env=env).decode().strip()
