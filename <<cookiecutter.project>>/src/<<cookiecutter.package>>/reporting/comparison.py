"""`reports/comparison.json`: a model against base and production, as `review` tells it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..errors import ProjectError
from .wording import NAMES, Gain

Verdict = Literal["better", "equal", "first", "unchanged", "worse", "blocked", "rollback"]


class Change(msgspec.Struct, frozen=True):
    """One metric of two models on the same rows; the difference in the metric's own direction."""

    now: float | None
    base: float | None
    difference: float | None
    low: float | None
    high: float | None
    lower_is_better: bool = False
    detectable: float | None = None

    @property
    def raw(self) -> Gain:
        return Gain(self.difference, self.low, self.high)

    def gain(self, lower: bool) -> Gain:
        """The same, positive where the model is better."""
        return self.raw.turned if lower else self.raw


class Slice(Change, frozen=True, kw_only=True):
    """One group of the held-out rows; its result is Holm's over all slices."""

    slice: str
    group: str
    rows: int
    result: str


class Moved(msgspec.Struct, frozen=True):
    """How many decisions are not the champion's, on some rows; `up` is None of many classes."""

    rows: int
    clusters: int
    changed: int
    share: float
    low: float | None
    high: float | None
    up: float | None

    @property
    def down(self) -> float | None:
        return None if self.up is None else max(self.share - self.up, 0)


class MovedSlice(Moved, frozen=True):
    slice: str
    group: str


class Move(msgspec.Struct, frozen=True, rename={"old": "from", "new": "to"}):
    """A change from one class to another."""

    old: int
    new: int
    rows: int


class Shadow(Moved, frozen=True):
    """The model beside the champion, as `shadow` measures it."""

    against: Literal["base", "production"]
    limit: float | None
    right: int
    right_before: int
    moves: list[Move]
    mean: float | None
    quantiles: dict[str, float | None]
    largest: float | None
    rank_correlation: float | None
    width: float | None
    bars: list[int]
    slices: list[MovedSlice]
    slices_judged: int


class Rule(msgspec.Struct, frozen=True):
    name: str
    limit: str | None
    found: str | None
    result: str
    unblock: str | None = None


class Accepted(msgspec.Struct, frozen=True):
    by: str
    when: str
    why: str | None


class Holdout(msgspec.Struct, frozen=True):
    rows: int
    clusters: int
    effective_clusters: float | None
    sha256: str | None = None


class Model(msgspec.Struct, frozen=True):
    """Where a model comes from; `why` is told where it was scored again, or could not be."""

    commit: str | None
    name: str | None
    model: str
    train: str | None = None
    holdout: str | None = None
    environment: str | None = None
    scored: str = "own"
    why: str | None = None
    system: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    calibration: list[dict[str, float]] = []


class Models(msgspec.Struct, frozen=True):
    now: Model
    base: Model | None
    production: Model | None


class Changed(msgspec.Struct, frozen=True):
    params: list[tuple[str, Any, Any]] = []
    files: list[str] = []


class Comparison(msgspec.Struct, frozen=True):
    """All of the file that a report tells."""

    verdict: Verdict
    reasons: list[str]
    metric: str
    kind: str
    confidence: float
    holdout: Holdout | None
    metrics: dict[str, Change]
    models: Models | None = None
    production: dict[str, Change] | None = None
    slices: list[Slice] = []
    slices_production: list[Slice] = []
    shadow: Shadow | None = None
    rules: list[Rule] = []
    warnings: list[str] = []
    accepted: Accepted | None = None
    gate_from: str = "base"
    target: str = "main"
    changed: Changed = Changed()
    run: str | None = None

    @property
    def headline(self) -> Change | None:
        """The metric that decides; None where the tables could not be judged."""
        return self.metrics.get(self.metric)

    @property
    def lower(self) -> bool:
        return self.headline is not None and self.headline.lower_is_better

    @property
    def red(self) -> bool:
        return self.verdict in ("worse", "blocked") and self.accepted is None

    @property
    def base(self) -> Model | None:
        return self.models.base if self.models else None

    @property
    def champion(self) -> Model | None:
        """The model in production."""
        return self.models.production if self.models else None

    @property
    def one_baseline(self) -> bool:
        """Whether production is base's model."""
        base, champion = self.base, self.champion
        return base is not None and champion is not None and base.model == champion.model

    @property
    def blocking(self) -> list[Rule]:
        return [rule for rule in self.rules if rule.result == "blocks"]

    def ordered(self, found: dict[str, Change]) -> Iterable[tuple[str, Change]]:
        """Metrics by name, the headline first, the others as everywhere."""
        known = [self.metric, *NAMES]
        return sorted(found.items(), key=lambda one: [*known, one[0]].index(one[0]))


def read(path: Path, model: str) -> Comparison | None:
    """The comparison of this model; None, with a printed line, where it is another's.

    Args:
        model: the hash of the model that `dvc.lock` names.

    Raises:
        ProjectError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Comparison)
    except msgspec.MsgspecError as error:
        raise ProjectError(f"{path} is damaged ({error}): `make compare` makes it anew") from None
    if found.models is None or found.models.now.model != model:
        print(f"report: {path} is another model's and is left out; `make compare` makes it anew")
        return None
    return found
