"""Every model that `main` had, and what it cost: from its first-parent history, no checkout."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .history import PULL, Commit, commits, files, first_parents, merged, names, refuse_shallow
from .lock import LOADER, LOCK, SYSTEM, asks
from .side import METRICS, MODEL


@dataclass(frozen=True)
class Model:
    """One model of `main`, from the commit that brought it there.

    Attributes:
        when: when that commit was made, in seconds since 1970.
        begun: the same of the oldest commit that came with it.
        pull: the pull request that brought it, where its subject names one.
        metric: the headline metric then; empty where the commit does not tell.
        low: where the interval of `value` begins, `high` where it ends.
        seconds: what the training took; None where the figures are another model's.
        gpu: how busy the GPU was meanwhile, in percent; None where there was none.
    """

    commit: str
    when: int
    begun: int
    pull: int | None
    model: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    seconds: float | None
    gpu: float | None


def models(tip: str, root: Path = Path()) -> list[Model]:
    """The models that the first-parent history of a revision named, oldest first.

    Raises:
        ProjectError: there is no such revision, or the clone's history is cut off.
    """
    refuse_shallow(root)
    known = commits(root, tip)
    chain = first_parents(known)
    begun = beginnings(known, chain)
    found = dict(introduced(root, chain))
    came = [commit for commit in chain if commit.name in found]
    told = zip(*(files(root, came, path) for path in ("params.yaml", METRICS, SYSTEM)), strict=True)
    return [
        model(commit, begun[commit.name], found[commit.name], *map(parsed, each))
        for commit, each in zip(came, told, strict=True)
    ]


def introduced(root: Path, chain: list[Commit]) -> Iterator[tuple[str, str]]:
    """Each commit that names another model than the one before it, and that model."""
    before, lock, named = "", b"", ""
    for commit, content in zip(chain, files(root, chain, LOCK), strict=True):
        if content != lock:
            lock, named = content, names(content).get(MODEL, "")
        if named and named != before:
            before = named
            yield commit.name, named


def beginnings(known: dict[str, Commit], chain: list[Commit]) -> dict[str, int]:
    """When the oldest commit was made that came with each commit of the chain."""
    seen, found = set[str](), dict[str, int]()
    for commit in chain:
        brought = [commit, *merged(known, commit, seen)]
        found[commit.name] = min(int(each.when) for each in brought)
        seen |= {each.name for each in brought}
    return found


def parsed(content: bytes) -> dict[str, Any]:
    """What a JSON or YAML file says; nothing, where nobody can read it."""
    try:
        found = json.loads(content) if content[:1] == b"{" else yaml.load(content, LOADER)
    except (ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def model(
    commit: Commit,
    begun: int,
    digest: str,
    params: dict[str, Any],
    metrics: dict[str, Any],
    system: dict[str, Any],
) -> Model:
    metric, pull = str(part(params, "task").get("metric", "")), PULL.match(commit.subject)
    judged, own = part(metrics, metric), system if system.get("model") == digest else {}
    return Model(
        commit=commit.name,
        when=int(commit.when),
        begun=begun,
        pull=int(pull[1] or pull[2]) if pull else None,
        model=digest,
        metric=metric if judged else "",
        value=number(judged.get("value")),
        low=number(judged.get("low")),
        high=number(judged.get("high")),
        seconds=number(own.get("train_seconds")),
        gpu=number(part(own, "gpu").get("utilization_percent")),
    )


def part(found: dict[str, Any], key: str) -> dict[str, Any]:
    """A section of a file, which may be missing, or something else."""
    section = found.get(key)
    return section if isinstance(section, dict) else {}


def number(value: object) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None  # type: ignore[arg-type]


def newest(root: Path, *tips: str) -> int:
    """When the newest of some commits was made, in seconds since 1970."""
    return max(int(str(asks(root, "show", "-s", "--format=%ct", tip))) for tip in tips)
