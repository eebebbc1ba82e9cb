"""A small team: a project, its Git remote, and the machines that clone it."""

import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from baking import IDENTITY, BakedProject, Oven
from options import questions
from pythons import pythons
from rig import GitHub, Pull, Run
from rig.account import Account

QUICK = {"max_iter": "60", "importance_repeats": "1"}
"""Parameters of a model that takes a second and beats a linear one."""


def with_a_python(project: BakedProject) -> BakedProject:
    """Put the wanted Python first on the PATH, or the newest that is here."""
    wanted = questions()["python_version"][0]
    version = wanted if wanted in pythons() else max(pythons())
    path = f"{pythons()[version].parent}{os.pathsep}{project.environment['PATH']}"
    return replace(project, environment={**project.environment, "PATH": path})


def set_params(project: BakedProject, **values: str) -> None:
    """Change numbers of params.yaml in place; of one that is there twice, the first."""
    text = project.read("params.yaml")
    for name, value in values.items():
        line = rf"(?m)^(\s+{name}: )([^#\n]*?)(\s*#.*)?$"
        text, count = re.subn(line, rf"\g<1>{value}\3", text, count=1)
        assert count == 1, name
    project.write("params.yaml", text)


def commit(project: BakedProject, message: str) -> str:
    """Commit everything as a person; the commit's hash."""
    project.run("git", "add", "-A", env=IDENTITY)
    project.run("git", "commit", "-qm", message, env=IDENTITY)
    return head(project)


def head(project: BakedProject, revision: str = "HEAD") -> str:
    return project.run("git", "rev-parse", revision).stdout.strip()


@dataclass(frozen=True)
class Remote:
    """A Git server, as far as a folder can be one; it serves partial clones, as GitHub does."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "Remote":
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
        for setting in ("allowFilter", "allowReachableSHA1InWant"):
            command = ["git", "-C", str(path), "config", f"uploadpack.{setting}", "true"]
            subprocess.run(command, check=True)
        return cls(path)

    def git(self, *command: str) -> str:
        done = subprocess.run(
            ["git", *command], cwd=self.path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def tip(self, branch: str) -> str | None:
        found = self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        return found or None

    def show(self, branch: str, path: str) -> str:
        return self.git("show", f"{branch}:{path}")

    def objects(self) -> set[str]:
        """The names of the objects in the store."""
        listed = self.git("for-each-ref", "refs/dvc/store")
        if not listed:
            return set()
        files = self.git("ls-tree", "-r", "--name-only", "refs/dvc/store").splitlines()
        return {"".join(file.split("/")[-2:]) for file in files}

    def hook(self, name: str, script: str) -> Path:
        path = self.path / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path


def clone(remote: Remote, folder: Path, like: BakedProject, branch: str = "main") -> BakedProject:
    """A fresh clone without an identity, with its environment made."""
    subprocess.run(["git", "clone", "-q", "-b", branch, remote.path, folder], check=True)
    project = BakedProject(folder, like.environment)
    project.make("setup")
    return project


# A team on GitHub


@dataclass
class Team:
    """A repository on GitHub, a person, and that person's laptop."""

    hub: GitHub
    person: Account
    laptop: BakedProject

    @classmethod
    def create(cls, hub: GitHub, oven: Oven, folder: Path) -> "Team":
        """Generate a project, with few tests of its own: a whole one is checked elsewhere."""
        person = hub.person("alice")
        laptop = with_a_python(oven.bake(folder, {}))
        env = {**hub.environment, **IDENTITY, "PATH": laptop.environment["PATH"]}
        laptop = replace(laptop, environment=env)
        set_params(laptop, **QUICK)
        for file in (laptop.path / "tests").glob("*.py"):
            if file.name not in ("conftest.py", "test_params.py"):
                file.unlink()
        laptop.run("git", "init", "-q", "-b", "main")
        laptop.run("git", "remote", "add", "origin", hub.url(person))
        return cls(hub, person, laptop)

    def start(self, branch: str) -> None:
        """Begin a change of `main` as it is on GitHub."""
        self.laptop.run("git", "fetch", "-q", "origin")
        self.laptop.run("git", "checkout", "-q", "--no-track", "-B", branch, "origin/main")

    def push(self, message: str = "A change") -> str:
        """Commit everything and push the branch that is checked out; the commit."""
        sha = commit(self.laptop, message)
        self.laptop.run("git", "push", "-q", "origin", "HEAD")
        return sha

    def update(self) -> None:
        """Take what the bot committed to the branch that is checked out."""
        branch = self.laptop.run("git", "branch", "--show-current").stdout.strip()
        self.laptop.run("git", "pull", "-q", "--ff-only", "origin", branch)

    def open(self, branch: str, *, base: str = "main", draft: bool = False) -> Pull:
        return self.hub.open_pull(branch, self.person, base=base, title=branch, draft=draft)


def of(runs: list[Run], workflow: str) -> Run:
    """The one run of a workflow that did not wait for approval."""
    (found,) = [run for run in runs if run.workflow == workflow and not run.waiting]
    return found


def said(run: Run) -> str:
    """What the steps printed, for a failing assertion."""
    return "\n".join(run.log.splitlines()[-200:])
