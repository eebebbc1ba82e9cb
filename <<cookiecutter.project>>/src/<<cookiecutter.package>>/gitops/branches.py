"""What a person does with branches on a laptop: settle a merge, bring a fork's change in."""

import tempfile
from pathlib import Path

from ..errors import ProjectError
from . import laptop, stale
from .handoff import acceptable
from .lock import asks, git


def sync(root: Path, remote: str, base: str) -> None:
    """Merge the base branch and settle the generated files, which conflict after two trainings.

    Generated files are never merged line by line: they are taken whole from the side that still
    tells of the merged files, or from ours, and then the runner trains.

    Raises:
        ProjectError: something is not committed, or files conflict that a person has to settle.
    """
    if git(root, "status", "--porcelain", "--untracked-files=no").strip():
        raise ProjectError("files are changed and not committed: commit or stash them, then again")
    git(root, "fetch", "--quiet", remote, base)
    theirs = str(asks(root, "rev-parse", "FETCH_HEAD"))
    if asks(root, "merge-base", "--is-ancestor", theirs, "HEAD") is not None:
        print(f"sync: {base} is merged already")
        return
    ours = str(asks(root, "rev-parse", "HEAD"))
    asks(root, "merge", "--no-commit", "--no-ff", theirs)
    take_generated(root, ours)
    left = unmerged(root)
    if left:
        shown = ", ".join(repr(path) for path in left[:5])
        raise ProjectError(
            f"{shown} conflict with {base}: edit them, `git add` them, then `git commit`; the "
            "generated files are settled"
        )
    why = outdated(root)
    if why:
        take_generated(root, theirs)
        if outdated(root):
            take_generated(root, ours)
        else:
            why = ""
    git(root, "commit", "--quiet", "--no-edit")
    told = "tells of the merge (`make pull` brings what it names)"
    step = f"has to be trained ({why}): the runner does it after `git push`" if why else told
    print(f"sync: {base} is merged; dvc.lock {step}")


def outdated(root: Path) -> str:
    """Why the merged dvc.lock is stale, whatever data lies here; empty where it is not."""
    with tempfile.TemporaryDirectory(prefix="sync-") as name:
        git(root, "checkout-index", "--all", f"--prefix={name}/")
        Path(name, ".dvc/config.local").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
        return stale.find(Path(name))


def take_generated(root: Path, commit: str) -> None:
    """Put all generated files into the state in which a commit has them."""
    listed = git(root, "ls-tree", "-r", "-z", "--name-only", commit).decode().split("\0")
    kept = {path for path in listed if path and acceptable(path)}
    known = git(root, "ls-files", "-z").decode().split("\0")
    gone = sorted({path for path in known if path and acceptable(path)} - kept)
    if gone:
        git(root, "rm", "--quiet", "--force", "--ignore-unmatch", "--", *gone)
    if kept:
        git(root, "checkout", "--quiet", commit, "--", *sorted(kept))


def unmerged(root: Path) -> list[str]:
    """The files that still conflict."""
    listed = git(root, "diff", "--name-only", "--diff-filter=U", "-z").decode()
    return [path for path in listed.split("\0") if path]


def take(root: Path, remote: str, number: str) -> None:
    """Bring the change of a fork's pull request into the repository, where it can be trained.

    Raises:
        ProjectError: there is no such pull request, or the remote refuses.
    """
    if not number.isdecimal() or number.startswith("0"):
        raise ProjectError(f"PR is {number!r}: name the pull request's number, as in PR=7")
    branch = f"take/{number}"
    git(root, "fetch", "--quiet", remote, f"refs/pull/{number}/head")
    commit = str(asks(root, "rev-parse", "FETCH_HEAD"))
    git(root, "push", "--quiet", remote, f"{commit}:refs/heads/{branch}")
    print(f"take: {commit[:7]} of pull request {number} is on {branch!r}: read it, then open")
    print(f"      {laptop.web(root, remote)}/compare/{branch}?expand=1")
