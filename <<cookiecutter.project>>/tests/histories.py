"""Repositories whose `release` has a history that was made by hand."""

import subprocess
from pathlib import Path

LOCK = """
schema: '2.0'
stages:
  train:
    cmd: train
    deps:
    - {path: requirements/train.lock, md5: %(environment)s, size: 1}
    outs:
    - {path: data/train, md5: %(data)s.dir, size: 1}
    - {path: models/model.skops, md5: %(model)s, size: 1}
"""


class History:
    """A repository whose `release` starts at a commit that names no model."""

    def __init__(self, root: Path) -> None:
        self.root, self.clock = root, 1_700_000_000
        self.git("init", "-q", "-b", "main")
        self.commit("Generated")
        self.git("branch", "release")

    def git(self, *command: str, who: str = "Ann") -> str:
        person = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", who), ("EMAIL", "x"), ("DATE", f"{self.clock} +0200"))
        }
        nowhere = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        command = ("git", "-C", str(self.root), *command)
        done = subprocess.run(command, env=person | nowhere, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def commit(self, message: str, model: str = "", who: str = "Ann") -> str:
        """A commit; with a model, its dvc.lock names it."""
        if model:
            values = {"environment": "e" * 32, "data": "d" * 32, "model": model * 32}
            (self.root / "dvc.lock").write_text(LOCK % values)
        (self.root / "code").write_text(f"{message} {self.clock}")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message, who=who)
        self.clock += 60
        return self.git("rev-parse", "HEAD")

    def train(self, message: str, model: str) -> str:
        self.git("checkout", "-q", "main")
        return self.commit(message, model)

    def merge(self, message: str, what: str = "main", who: str = "Bob") -> str:
        """Merge into `release` so that its tree is that of what is merged."""
        self.git("checkout", "-q", "release")
        tree, parents = f"{what}^{{tree}}", ("-p", "release", "-p", what)
        made = self.git("commit-tree", tree, *parents, "-m", message, who=who)
        self.git("reset", "-q", "--hard", made)
        self.clock += 60
        return made
