"""Whether a night trains: a pure function of what it found, and the reasons as sentences."""

from typing import Any, NamedTuple

from .params import Retrain
from .text import clean, percent, span


class Quality(NamedTuple):
    """The model's headline metric on rows that it has not seen, and what it promised.

    Attributes:
        now: the interval's ends on the new rows.
        promised: those on the rows that were held out when it was trained.
        lower_is_better: as for errors.
    """

    metric: str
    now: tuple[float, float]
    promised: tuple[float, float]
    lower_is_better: bool = False

    @property
    def broken(self) -> bool:
        """Whether the two intervals do not meet, and the new one is the worse."""
        if self.lower_is_better:
            return self.now[0] > self.promised[1]
        return self.now[1] < self.promised[0]

    def facts(self) -> dict[str, Any]:
        ends = {"now": list(self.now), "promised": list(self.promised)}
        return {"metric": self.metric, **ends, "broken": self.broken}


class Found(NamedTuple):
    """What a night knows.

    Attributes:
        model: whether `main` has one.
        rows: how many labelled rows are newer than the model's data.
        unlabelled: how many newer rows have no label yet.
        repeated: whether each newer day is an earlier one again, row for row.
        forced: why somebody asks for a training; empty where nobody does.
        short: why the rows do not suffice for a split; empty where they do.
        trained: how many rows the model was trained on.
        age: days from the model's data to tonight's.
        due: the age at which models were seen to have lost the gate's margin; None where no loss
            is shown.
        drifted: the columns whose drift counts, and in words the predictions and their errors: it
            is new against their own past, or alarming while that past is too short to tell.
        unjudged: why drift cannot be judged; empty where it can.
        quality: None where there are no labels, or too few clusters for an interval.
    """

    model: bool
    rows: int
    unlabelled: int = 0
    repeated: bool = False
    forced: str = ""
    short: str = ""
    trained: int = 0
    age: int = 0
    due: int | None = None
    drifted: tuple[str, ...] = ()
    unjudged: str = ""
    quality: Quality | None = None


class Decision(NamedTuple):
    train: bool
    reasons: list[str]


def decide(found: Found, rules: Retrain) -> Decision:
    """Too few rows, no new ones, or else each reason to train that holds; none: wait."""
    if found.short:
        return Decision(False, [f"there is too little data: {found.short}"])
    if found.forced:
        return Decision(True, [f"it was asked for: {found.forced}"])
    if not found.model:
        return Decision(True, ["main has no model yet"])
    if found.repeated:
        return Decision(
            False, ["the newer rows are earlier ones again, row for row, on later days"]
        )
    if not found.rows:
        return Decision(False, nothing(found))
    reasons = [*quality(found.quality), *drift(found.drifted), *age(found, rules)]
    reasons += volume(found, rules)
    return Decision(bool(reasons), reasons or [enough(found, rules)])


def nothing(found: Found) -> list[str]:
    """Why there is nothing to learn from."""
    if found.unlabelled:
        waiting = f"the {found.unlabelled:,} newer rows have no labels yet"
        return [waiting, *drift(found.drifted)]
    return ["there are no newer rows than those that the model knows"]


def quality(found: Quality | None) -> list[str]:
    if found is None or not found.broken:
        return []
    return [
        f"its {found.metric} on the new rows is {span(*found.now)}, and was promised to be "
        f"{span(*found.promised)}"
    ]


def drift(names: tuple[str, ...]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(map(clean, names[:5])) + (
        f" and {len(names) - 5} more" if len(names) > 5 else ""
    )
    return [f"the data have drifted as they have not before: {shown}"]


def age(found: Found, rules: Retrain) -> list[str]:
    if found.due is not None and found.due <= found.age:
        lost = f"and models were seen to lose the gate's margin in {found.due}"
        return [f"its data are {found.age} days old, {lost}"]
    if found.age < rules.max_age_days:
        return []
    return [f"its data are {found.age} days old, and {rules.max_age_days} are allowed"]


def volume(found: Found, rules: Retrain) -> list[str]:
    share = found.rows / max(found.trained, 1)
    if share < rules.min_new_share:
        return []
    return [f"{found.rows:,} rows are new, {percent(share)} of what it was trained on"]


def enough(found: Found, rules: Retrain) -> str:
    """Why to wait, and what is not known."""
    share = found.rows / max(found.trained, 1)
    drifted = f"drift is not judged ({found.unjudged})" if found.unjudged else "nothing has drifted"
    kept = "the quality is as promised" if found.quality else "the quality on them cannot be told"
    return (
        f"{found.rows:,} rows are new, {percent(share, 1)} of what it was trained on and less than "
        f"{percent(rules.min_new_share)}; {drifted}, {kept}"
    )
