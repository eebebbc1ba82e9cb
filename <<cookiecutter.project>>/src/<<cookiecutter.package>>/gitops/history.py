"""What was ever in production: the first-parent history of `release`, read without a checkout."""

import hashlib
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ..errors import ProjectError
from .lock import LOCK, dependency, git, outputs
from .side import MODEL

BRANCH = "release"
PULL = re.compile(r"Merge pull request #(\d+) from |.*\(#(\d+)\)$")
HELD = re.compile(rb"[0-9a-f]+ blob (\d+)")
FORMAT = "%H%n%P%n%ct%n%an%n%s%n%(trailers:key=Reason,valueonly,unfold,separator=%x20)"


@dataclass(frozen=True)
class Release:
    """One entry of production's history.

    Attributes:
        number: its position, from 1; a rollback is an entry of its own.
        when: the committer's date, in UTC, as ISO 8601.
        who: who merged: the author of the merge commit. A squash and a rebase keep the author of
            what was merged instead, and git knows no other.
        pull: the pull request that brought it, where its subject names one.
        lock: path and MD5 of everything that its dvc.lock names.
        model: the MD5 of the model.
        environment: the MD5 of the lock file of the environment that trained it.
        identity: the SHA-256 of its dvc.lock.
        reason: the trailer `Reason:` of the merge commit, or else of what it merged.
    """

    number: int
    commit: str
    when: str
    who: str
    pull: int | None
    subject: str
    lock: dict[str, str]
    model: str
    environment: str
    identity: str
    reason: str


class Commit(NamedTuple):
    name: str
    parents: list[str]
    when: str
    who: str
    subject: str
    reason: str


def releases(tip: str, root: Path = Path()) -> list[Release]:
    """The first-parent history of a revision, oldest first: commits whose dvc.lock names a model.

    Merges, squashes and rebases are read alike. Entries that follow each other may name the same
    model, where code alone was shipped.

    Raises:
        ProjectError: there is no such revision, or the clone's history is cut off.
    """
    refuse_shallow(root)
    known = commits(root, tip)
    chain = list(first_parents(known))
    reasons = merged_reasons(known, chain)
    found: list[Release] = []
    for commit, lock in zip(chain, files(root, chain, LOCK), strict=True):
        if (named := names(lock)).get(MODEL):
            number, reason = len(found) + 1, reasons[commit.name]
            found.append(release(number, commit, lock, named, reason))
    return found


def refuse_shallow(root: Path) -> None:
    """Raises: ProjectError: the clone's history is cut off."""
    if git(root, "rev-parse", "--is-shallow-repository").strip() == b"true":
        raise ProjectError(
            "this clone's history is cut off, and a release's number is its place in the whole of "
            "it: `git fetch --unshallow`, then again"
        )


def rollback_of(found: Sequence[Release], index: int) -> Release | None:
    """The newest earlier release of this one's model; None where the model is a new one, or that
    of the release just before."""
    model = found[index].model
    if index and found[index - 1].model == model:
        return None
    return next((earlier for earlier in reversed(found[:index]) if earlier.model == model), None)


def release(number: int, commit: Commit, lock: bytes, named: dict[str, str], why: str) -> Release:
    """All that is said of one entry."""
    pull = PULL.match(commit.subject)
    return Release(
        number=number,
        commit=commit.name,
        when=datetime.fromtimestamp(int(commit.when), UTC).isoformat(),
        who=commit.who,
        pull=int(pull[1] or pull[2]) if pull else None,
        subject=commit.subject,
        lock=named,
        model=named[MODEL],
        environment=dependency(lock, "train", ".lock"),
        identity=hashlib.sha256(lock).hexdigest(),
        reason=why,
    )


def commits(root: Path, tip: str) -> dict[str, Commit]:
    """Every ancestor of a revision, itself first."""
    options = ["--no-show-signature", "--encoding=UTF-8", "-z", f"--format={FORMAT}"]
    listed = git(root, "log", "--topo-order", *options, "--end-of-options", tip, "--")
    found = {}
    for entry in filter(None, listed.decode(errors="replace").split("\0")):
        name, parents, when, who, subject, reason = entry.split("\n", 5)
        found[name] = Commit(name, parents.split(), when, who, subject, reason.strip())
    return found


def first_parents(known: dict[str, Commit]) -> list[Commit]:
    """The chain of first parents, oldest first."""
    chain, name = [], next(iter(known))
    while name:
        chain.append(known[name])
        name = next(iter(known[name].parents), "")
    return chain[::-1]


def merged_reasons(known: dict[str, Commit], chain: list[Commit]) -> dict[str, str]:
    """Why each commit of the chain was made: its own trailer, or the nearest that it merged."""
    seen, reasons = set[str](), dict[str, str]()
    for commit in chain:
        brought = [commit, *merged(known, commit, seen)]
        reasons[commit.name] = next((each.reason for each in brought if each.reason), "")
        seen |= {each.name for each in brought}
    return reasons


def merged(known: dict[str, Commit], commit: Commit, seen: set[str]) -> Iterator[Commit]:
    """What a merge brought that was not there before, the nearest first."""
    queue, met = deque(commit.parents[1:]), set[str]()
    while queue:
        name = queue.popleft()
        if name not in seen and name not in met:
            met.add(name)
            yield known[name]
            queue += known[name].parents


def files(root: Path, chain: Sequence[Commit], path: str) -> Iterator[bytes]:
    """A file as each commit has it, from one process; empty where it has none."""
    asked = "".join(f"{commit.name}:{path}\n" for commit in chain)
    answer, start = git(root, "cat-file", "--batch", stdin=asked.encode()), 0
    for _ in chain:
        end = answer.index(b"\n", start)
        size, start = HELD.fullmatch(answer, start, end), end + 1
        if size:
            yield answer[start : start + int(size[1])]
            start += int(size[1]) + 1
        else:
            yield b""


def names(lock: bytes) -> dict[str, str]:
    """Path and MD5 of what a lock names; of one that nothing can read, nothing."""
    try:
        return {path: str(out.get("md5", "")) for path, out in outputs(lock).items()}
    except ProjectError:
        return {}
