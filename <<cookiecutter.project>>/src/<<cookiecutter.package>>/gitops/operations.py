"""How well a team ships models, in numbers: each with its definition and what it stands on.

Four are DORA's (https://dora.dev/guides/dora-metrics/); a deployment is a merge into `release`.
What is not known is None with a sentence that says why, never a zero.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from .history import Release
from .models import Model
from .retraining import Pulls

DORA, OWN = "DORA", "this project"
SURE = 1.959964
"""Standard deviations on either side of 95 in 100 normal draws."""


@dataclass(frozen=True)
class Number:
    """One operational number.

    Attributes:
        unit: seconds, share (from 0 to 1) or percent.
        value: a median, a share or None.
        low: the least that was seen; of a share, where its 95 % interval begins.
        high: the most, or where the interval ends.
        n: how many observations the value stands on, which `of` names.
        points: the observations, oldest first.
        note: what else is known; where the value is None, why it is.
    """

    name: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    of: str
    definition: str
    source: str
    note: str = ""
    points: list[float] = field(default_factory=list)


class Step(NamedTuple):
    """A release that put another model into production than the one before it.

    Attributes:
        since: when it did, in seconds since 1970.
        back: whether it took that one out for an earlier one.
        bad: since when that one was in production, where it did.
    """

    release: Release
    since: float
    back: bool
    bad: float


def steps(known: Sequence[Release]) -> list[Step]:
    """The releases that changed the model, forward or back.

    Back leads to a model that production came from; one that was taken back and is promoted again
    goes forward. `make rollback` counts in the same way.
    """
    found, line = list[Step](), list[str]()
    for release in known:
        if line and line[-1] == release.model:
            continue
        back = release.model in line
        if back:
            del line[line.index(release.model) + 1 :]
        else:
            line.append(release.model)
        found.append(Step(release, time(release), back, found[-1].since if back else 0))
    return found


def time(release: Release) -> float:
    return datetime.fromisoformat(release.when).timestamp()


def numbers(
    known: Sequence[Release], models: Sequence[Model], pulls: Pulls | None, merged: set[int]
) -> list[Number]:
    """All of them, in the order in which they are shown.

    Args:
        known: what was in production.
        models: what `main` had.
        pulls: the retraining's pull requests; None where GitHub was never asked.
        merged: those that git names as merged.
    """
    moves = steps(known)
    forward = [step for step in moves if not step.back]
    return [
        deployment_frequency(forward),
        lead_time(forward, models),
        failure_rate(forward, moves),
        time_to_restore(moves),
        time_to_production(forward, models),
        experiment_success(pulls, merged),
        training_time(models),
        gpu_utilisation(models),
    ]


def deployment_frequency(forward: Sequence[Step]) -> Number:
    times = [step.since for step in forward]
    gaps = [max(later - one, 0) for one, later in pairwise(times)]
    one = "one model is in production, and no other came yet"
    return middle(
        "Model deployment frequency",
        gaps,
        "gap(s) between two models",
        "How long it takes until the next model goes into production; a rollback does not count.",
        DORA,
        one if times else "no model is in production yet",
    )


def lead_time(forward: Sequence[Step], models: Sequence[Model]) -> Number:
    found = [(step.since - origin.begun) for step, origin in origins(forward, models)]
    return middle(
        "Lead time for a model change",
        found,
        "new model(s) in production",
        "From the first commit of the change that made a model to the merge that shipped it.",
        DORA,
        unshipped(forward),
    )


def time_to_production(forward: Sequence[Step], models: Sequence[Model]) -> Number:
    found = [(step.since - origin.when) for step, origin in origins(forward, models)]
    return middle(
        "Time to production",
        found,
        "new model(s) in production",
        "From the merge of a model into main to the merge that shipped it.",
        OWN,
        unshipped(forward),
    )


def unshipped(forward: Sequence[Step]) -> str:
    if forward:
        return "git does not tell when the models in production came to main and to release"
    return "no model is in production yet"


def origins(forward: Sequence[Step], models: Sequence[Model]) -> list[tuple[Step, Model]]:
    """The models that were new in production, each with how it came to `main`.

    One that `main` never had, or that was shipped before it came there, has no such time, nor has
    one that no merge shipped: a branch that is moved keeps no date.
    """
    found, before = [], set[str]()
    for step in forward:
        name = step.release.model
        came = [each for each in models if each.model == name and each.when <= step.since]
        if came and name not in before and came[-1].commit != step.release.commit:
            found.append((step, came[-1]))
        before.add(name)
    return found


def failure_rate(forward: Sequence[Step], moves: Sequence[Step]) -> Number:
    back = sum(step.back for step in moves)
    return share(
        "Change failure rate",
        back,
        len(forward),
        "release(s) that went forward",
        "Of the releases that put a model into production, those that a rollback took out again.",
        DORA,
        f"{back} rolled back" if forward else "no model is in production yet",
    )


def time_to_restore(moves: Sequence[Step]) -> Number:
    found = [max(step.since - step.bad, 0) for step in moves if step.back]
    return middle(
        "Time to restore",
        found,
        "rollback(s)",
        "From the release of a model that was rolled back to the merge that took it out again.",
        DORA,
        "no release was rolled back yet",
    )


def experiment_success(pulls: Pulls | None, merged: set[int]) -> Number:
    name, of = "Experiment success rate", "retraining pull request(s)"
    definition = "Of the pull requests that the nightly retraining opened, those that were merged."
    if pulls is None:
        note = (
            f"git knows of {len(merged)} that were merged; how many were opened, GitHub alone does"
        )
        return Number(name, "share", None, None, None, 0, of, definition, OWN, note)
    opened = pulls.keys() | merged
    done = merged | {number for number, each in pulls.items() if each["merged"]}
    waiting = sum(not (each["closed"] or number in done) for number, each in pulls.items())
    note = f"{len(done)} merged, {len(opened) - len(done) - waiting} closed, {waiting} open"
    empty = "the retraining has opened no pull request yet"
    return share(name, len(done), len(opened), of, definition, OWN, note if opened else empty)


def training_time(models: Sequence[Model]) -> Number:
    return middle(
        "Training time",
        [model.seconds for model in models if model.seconds is not None],
        "model(s) of main",
        "What the training of a model took, with the simple models beside it and the measurements.",
        OWN,
        "no model of main has its own figures in reports/system.json" if models else NO_MODEL,
    )


def gpu_utilisation(models: Sequence[Model]) -> Number:
    none = "no model of main was trained on a GPU"
    return middle(
        "GPU utilisation",
        [model.gpu for model in models if model.gpu is not None],
        "model(s) trained on a GPU",
        "How busy the GPU was on average while a model was fitted, as nvidia-smi saw it.",
        OWN,
        none if models else NO_MODEL,
        "percent",
    )


NO_MODEL = "main has no model yet"


def middle(
    name: str,
    found: list[float],
    of: str,
    definition: str,
    source: str,
    none: str,
    unit: str = "seconds",
) -> Number:
    """A median with the range of what was seen."""
    if not found:
        return Number(name, unit, None, None, None, 0, of, definition, source, none)
    ends = min(found), max(found)
    return Number(
        name, unit, median(found), *ends, len(found), of, definition, source, points=found
    )


def share(
    name: str, part: int, whole: int, of: str, definition: str, source: str, note: str
) -> Number:
    """A share with the interval of Wilson (1927), which holds for few observations too."""
    if not whole:
        return Number(name, "share", None, None, None, 0, of, definition, source, note)
    value, weight = part / whole, SURE**2 / whole
    centre = (value + weight / 2) / (1 + weight)
    half = SURE * math.sqrt(value * (1 - value) / whole + weight / whole / 4) / (1 + weight)
    low, high = max(centre - half, 0), min(centre + half, 1)
    return Number(name, "share", value, low, high, whole, of, definition, source, note)
