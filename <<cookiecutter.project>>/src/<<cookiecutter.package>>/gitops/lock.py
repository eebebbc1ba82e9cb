"""What a `dvc.lock` names, in the working tree or at any commit."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from ..errors import ProjectError

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""As safe, and ten times as fast where PyYAML was built with it: histories have many locks."""

LOCK = "dvc.lock"
PIPELINE = ("dvc.yaml", LOCK, "params.yaml")
"""The files that together say what was made from what."""

RELEASE = "release"
"""The branch that says what is in production."""

SYSTEM = "reports/system.json"
"""Kept in git beside DVC's outputs: it differs between equal runs, so it is none of them."""


def git(root: Path, *command: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> bytes:
    """What git answers.

    Raises:
        ProjectError: git refuses; the sentence is git's own.
    """
    done = subprocess.run(
        ["git", *command], cwd=root, env=env, input=stdin, capture_output=True, check=False
    )
    if done.returncode:
        raise ProjectError(f"`git {command[0]}` failed: {complaint(done.stderr)}")
    return done.stdout


def complaint(said: bytes) -> str:
    """The line that says what failed; advice may follow it."""
    lines = said.decode(errors="replace").strip().splitlines() or ["no output"]
    return next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1])


def asks(root: Path, *command: str) -> str | None:
    """What git answers, in one line; None where it refuses."""
    try:
        return git(root, *command).decode(errors="replace").strip()
    except ProjectError:
        return None


def show(root: Path, commit: str, path: str) -> bytes | None:
    """A file as a commit has it; None where it has none."""
    try:
        return git(root, "show", f"{commit}:{path}")
    except ProjectError:
        return None


def at(root: Path, commit: str | None) -> dict[str, bytes]:
    """The pipeline's files of a commit, or of the working tree for None; absent ones left out."""
    if commit is None:
        return {p: (root / p).read_bytes() for p in PIPELINE if (root / p).exists()}
    found = {path: show(root, commit, path) for path in PIPELINE}
    return {path: content for path, content in found.items() if content is not None}


def shipping() -> bool:
    """Whether what is judged is on its way to `release`: the branch that TARGET names."""
    return os.environ.get("TARGET") == RELEASE


def tip(root: Path, branch: str) -> str | None:
    """The commit of a branch, the remote's if that is known; None where there is none."""
    names = (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}")
    found = (asks(root, "rev-parse", "--verify", "--quiet", f"{n}^{{commit}}") for n in names)
    return next(filter(None, found), None)


def baseline(root: Path, revision: str) -> tuple[str, str]:
    """Name and commit of what a change is held against.

    Raises:
        ProjectError: there is no such revision.
    """
    names = [revision] if revision else ["origin/main", "main"]
    for name in names:
        if asks(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"):
            if revision:
                return revision, str(asks(root, "rev-parse", f"{name}^{{commit}}"))
            common = asks(root, "merge-base", "HEAD", name)
            if common:
                return "main", common
    if not asks(root, "rev-parse", "HEAD"):
        raise ProjectError("nothing is committed yet: commit, then compare")
    raise ProjectError(
        f"{names[0]!r} is no revision that shares history with this one: fetch it, or name "
        "another with BASE=<revision>"
    )


def outputs(content: bytes) -> dict[str, dict[str, Any]]:
    """Path and entry of every output that a lock names.

    Raises:
        ProjectError: it is no lock; a merge conflict, most often.
    """
    try:
        stages = (yaml.load(content, LOADER) or {}).get("stages") or {}
        return {out["path"]: out for stage in stages.values() for out in stage.get("outs", [])}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        raise ProjectError(
            "dvc.lock cannot be read: after a merge that conflicted, `make sync` settles it"
        ) from None


def dependency(content: bytes, stage: str, ending: str) -> str:
    """The MD5 of a stage's dependency whose path ends so; empty where there is none."""
    stages = (yaml.load(content, LOADER) or {}).get("stages") or {}
    found = [d for d in stages.get(stage, {}).get("deps", []) if d["path"].endswith(ending)]
    return str(found[0].get("md5", "")) if found else ""


def digest(content: bytes, path: str) -> str:
    """The MD5 of one output; empty where the lock does not name it."""
    return str(outputs(content).get(path, {}).get("md5", ""))
