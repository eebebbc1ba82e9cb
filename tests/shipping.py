"""What a team does on the way to `release`, and what the store may lose meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from rig import GitHub, Pull, Run
from rig.account import Account
from team import Team, commit, of, set_params

STORE = "refs/dvc/store"
MODEL = "models/model.skops"


def dispatch(team: Team, **inputs: str) -> Run:
    """Somebody starts the workflow `promote`."""
    team.hub.dispatch("promote.yml", "main", inputs, by=team.person)
    return of(team.hub.run(), "promote")


def opened(team: Team) -> list[Pull]:
    """The open pull requests to `release`."""
    return [pull for pull in team.hub.pulls("open") if pull.base == "release"]


def shipped(team: Team, pull: Pull, by: Account | None = None, method: str = "merge") -> str:
    """Merge it, and say which tree is in production then."""
    assert pull.refusal() is None, pull.refusal()
    pull.merge(by or team.person, method)
    return tree(team, "release")


def tree(team: Team, revision: str) -> str:
    return team.hub.git.git("rev-parse", f"{revision}^{{tree}}").strip()


def go_to_main(team: Team) -> None:
    """Check out `main` as it is on GitHub."""
    team.laptop.run("git", "fetch", "-q", "origin")
    team.laptop.run("git", "checkout", "-q", "-B", "main", "origin/main")


def train_on_main(team: Team, **values: str) -> str:
    """Another model, trained on a laptop and pushed to `main`; the commit."""
    go_to_main(team)
    set_params(team.laptop, **values)
    team.laptop.make("repro", "push")
    sha = commit(team.laptop, "Another model")
    team.laptop.run("git", "push", "-q", "origin", "main")
    team.hub.run()
    return sha


def model(hub: GitHub, revision: str) -> str:
    """The MD5 of the model that a commit's dvc.lock names."""
    stages = yaml.safe_load(hub.git.git("show", f"{revision}:dvc.lock"))["stages"]
    return str({out["path"]: out["md5"] for out in stages["train"]["outs"]}[MODEL])


@contextmanager
def damaged(hub: GitHub, name: str, content: str | None = None) -> Iterator[None]:
    """The store has lost an object for a while, or holds another content under its name."""
    git, before = hub.git, hub.git.git("rev-parse", STORE)
    path = f"files/md5/{name[:2]}/{name[2:]}"
    with TemporaryDirectory(dir=hub.folder) as folder:
        place = {"GIT_DIR": str(git.path), "GIT_WORK_TREE": folder}
        env = place | {"GIT_INDEX_FILE": f"{folder}/index"}
        git.git("read-tree", STORE, env=env)
        git.git("update-index", "--force-remove", path, env=env)
        if content is not None:
            file = Path(folder, "other")
            file.write_text(content)
            blob = git.git("hash-object", "-w", str(file), env=env)
            git.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
        files = git.git("write-tree", env=env)
    git.set(STORE, git.git("commit-tree", files, "-p", before, "-m", "Lost"))
    yield
    git.set(STORE, before)
