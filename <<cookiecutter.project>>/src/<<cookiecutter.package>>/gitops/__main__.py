"""`python -m PACKAGE.gitops COMMAND ...`: what workflows do, and what a laptop can do as well.

As in `cli`, each command imports what it needs when it is called; those of a job with a write
token need the standard library alone.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..cli import attempt

COMMANDS: dict[str, tuple[str, list[str]]] = {
    "stale": ("say whether anything has to run again, as a step's output", []),
    "fetch": ("get from the store what it has of dvc.lock", []),
    "pack": ("hand on what the store lacks", ["folder"]),
    "unpack": ("take over what an earlier job handed on", ["folder"]),
    "verify": ("check that a committed dvc.lock holds together", []),
    "obtain": ("bring an output of any commit from the store", ["commit", "path", "folder"]),
    "stored": ("check that the store holds what dvc.lock names", []),
    "review": ("hold the model against the baselines", ["base", "output"]),
    "shadow": ("say which decisions of the champion would change", ["output"]),
    "verdict": ("print the verdict as a step's outputs", ["comparison"]),
    "publish": ("push objects, then commit dvc.lock", ["folder", "branch", "parent"]),
    "leave": ("leave a machine as the job found it", []),
    "problem": ("write the report of a failed run", ["results", "folder", "output"]),
    "conclude": (
        "set statuses and the label",
        ["comparison", "number", "commit", "checked", "tried"],
    ),
    "deliver": ("check what a commit of release puts into production", ["card", "folder"]),
    "announce": ("tag and publish it on GitHub", ["folder", "tag", "commit"]),
    "choose": ("say what a promotion or rollback ships", ["commit", "version"]),
    "promote": ("open the pull request that ships a commit", ["commit"]),
    "rollback": ("open the pull request that brings a release back", ["version", "reason"]),
    "audit": ("list everything that was ever in production", ["output"]),
    "site": ("write the page: main, production, operations", ["folder"]),
    "pages": ("push the page to its branch", ["folder"]),
    "lineage": ("say where a model comes from", ["model"]),
    "look": ("bring newer data in and decide whether to train", ["folder", "until", "force"]),
    "drifted": ("hand on what a night's picture is drawn from", ["night", "folder"]),
    "start": ("start what a night decided", ["folder", "commit"]),
    "tell": ("end a night: the issue, the schedule", ["results", "folder", "report"]),
    "log": ("bring the prediction log to where it is watched", ["folder"]),
    "monitor": ("hold the prediction log against the champion", ["output", "page"]),
    "alarm": ("ask for a night where monitoring found a reason", ["found"]),
    "propose": (
        "open the pull request of a better model",
        ["comparison", "report", "branch"],
    ),
    "sync": ("merge the base branch, settle generated files", []),
    "github": ("set branch rules and settings of the repository", ["mode"]),
    "take": ("bring a fork's change into the repository", ["number"]),
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (purpose, words) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        for word in words:
            command.add_argument(word)
    return top


def stale() -> None:
    from . import conclude, lock, stale

    why = "" if lock.shipping() else stale.find(Path.cwd())
    print(f"stale: {why or 'nothing has to run'}", flush=True)
    conclude.output("stale", str(bool(why)).lower())


def fetch() -> None:
    from . import supply

    supply.fetch(Path.cwd(), params().store)


def pack(folder: str) -> None:
    from . import handoff

    handoff.pack(Path.cwd(), Path(folder))


def unpack(folder: str) -> None:
    from . import handoff

    handoff.unpack(Path.cwd(), Path(folder))


def verify() -> None:
    from . import verify

    verify.run(params(), Path())


def obtain(commit: str, path: str, folder: str) -> None:
    from . import supply
    from .lock import at

    root = Path.cwd()
    supply.obtain(root, at(root, commit), [path], params().store, Path(folder))


def stored() -> None:
    from . import supply

    supply.check(Path.cwd(), params().store)


def review(base: str, output: str) -> None:
    from . import review

    review.run(params(), Path.cwd(), base, Path(output))


def shadow(output: str) -> None:
    from . import shadow

    shadow.run(params(), Path.cwd(), Path(output))


def verdict(comparison: str) -> None:
    from . import conclude

    conclude.verdict(Path(comparison))


def publish(folder: str, branch: str, parent: str) -> None:
    from . import conclude, publish

    commit = publish.run(Path.cwd(), params().store, Path(folder), branch, parent)
    conclude.output("commit", commit)


def leave() -> None:
    from . import leave

    leave.run(Path())


def problem(results: str, folder: str, output: str) -> None:
    from . import problem

    problem.run(results, Path(folder), Path(output))


def conclude(comparison: str, number: str, commit: str, checked: str, tried: str) -> None:
    from . import conclude

    conclude.run(Path(comparison), number, commit, checked, tried)


def deliver(card: str, folder: str) -> None:
    from . import conclude, delivery

    release = delivery.run(params(), Path.cwd(), Path(card), Path(folder))
    conclude.output("tag", f"v{release.number}" if release else "")


def announce(folder: str, tag: str, commit: str) -> None:
    from . import announce

    announce.run(Path(folder), tag, commit)


def choose(commit: str, version: str) -> None:
    from . import conclude, promotion

    plan = promotion.plan(Path.cwd(), params().store.remote, commit, version, "")
    conclude.output("commit", plan.commit if plan else "")
    conclude.output("to", plan.version if plan else "")


def promote(commit: str) -> None:
    ship(commit, "", "")


def rollback(version: str, reason: str) -> None:
    ship("", version or "previous", reason)


def ship(commit: str, version: str, reason: str) -> None:
    from . import conclude, promotion

    remote = params().store.remote
    if plan := promotion.plan(Path.cwd(), remote, commit, version, reason):
        number, head = promotion.open_(Path.cwd(), remote, plan)
        if number and "GITHUB_OUTPUT" in os.environ:
            conclude.output("number", str(number))
            conclude.output("head", head)


def audit(output: str) -> None:
    from . import audit

    audit.run(Path.cwd(), Path(output))


def site(folder: str) -> None:
    from . import site

    site.run(Path.cwd(), params().store.remote, Path(folder))


def pages(folder: str) -> None:
    from . import pages

    pages.run(Path.cwd(), params().store.remote, Path(folder))


def lineage(model: str) -> None:
    from . import audit

    audit.lineage(Path.cwd(), params().store.remote, model)


def look(folder: str, until: str, force: str) -> None:
    from . import conclude, night

    train, commit = night.run(params(), Path.cwd(), Path(folder), until, force)
    conclude.output("train", str(train).lower())
    conclude.output("commit", commit)


def drifted(night: str, folder: str) -> None:
    from . import conclude, drifted

    changed = drifted.run(params(), Path.cwd(), Path(night), Path(folder))
    conclude.output("drifted", str(changed).lower())


def start(folder: str, commit: str) -> None:
    from . import start

    start.run(Path.cwd(), params().store, Path(folder), commit)


def tell(results: str, folder: str, report: str) -> None:
    from . import incident

    incident.run(results, Path(folder), Path(report))


def log(folder: str) -> None:
    from ..storage import log

    values = params()
    log.ship(Path.cwd(), Path(folder), values.store, values.monitor)


def monitor(output: str, page: str) -> None:
    from . import monitor

    monitor.run(params(), Path.cwd(), Path(output), Path(page))


def alarm(found: str) -> None:
    from . import alarm

    alarm.run(Path(found))


def propose(comparison: str, report: str, branch: str) -> None:
    from . import propose

    propose.run(Path(comparison), Path(report), branch)


def sync() -> None:
    from . import branches

    branches.sync(Path.cwd(), params().store.remote, "main")


def github(mode: str) -> None:
    from . import settings

    settings.run(Path.cwd(), params().store.remote, mode)


def take(number: str) -> None:
    from . import branches

    branches.take(Path.cwd(), params().store.remote, number)


def params() -> Any:
    from ..params import load

    return load()


def main() -> int:
    given = vars(parser().parse_args())
    command = given.pop("command")
    call: Callable[..., None] = globals()[command]
    return attempt(command, lambda: call(**given))


if __name__ == "__main__":
    sys.exit(main())
