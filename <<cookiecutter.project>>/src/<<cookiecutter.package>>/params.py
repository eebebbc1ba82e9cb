"""`params.yaml`, checked when it is read: unknown keys, types and ranges."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import yaml

from .errors import ProjectError

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000, pattern=r"\S")]
Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Finite = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e300)]
Above = Annotated[float, msgspec.Meta(gt=0, le=1e300)]
Kind = TypeVar("Kind")

METRICS = {
    "binary": ("roc_auc", "average_precision", "log_loss", "brier", "accuracy"),
    "regression": ("mae", "rmse", "r2"),
    "multiclass": ("roc_auc", "log_loss", "brier", "accuracy"),
}


OWN = {"key", "cluster", "truth", "score", "linear", "dummy"}
"""Columns of the predictions that no column of the table may be called."""

DUTIES = {
    "oversight": (14, "who can step in, and how"),
    "data_governance": (10, "how the data were chosen, and examined for bias"),
    "record_keeping": (12, "what is logged, and for how long"),
}
"""Fields of `card` that the AI Act, Regulation (EU) 2024/1689, asks of a system of the class
`high`: the article, and what it wants to know."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section whose keys are all known and all present."""


class Task(Strict, frozen=True):
    kind: Literal["binary", "regression", "multiclass"]
    target: Name
    metric: Name
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)]
    key: Name
    time: Name | None
    cluster: Name | None
    numeric: list[Name]
    categorical: list[Name]

    @property
    def features(self) -> list[str]:
        return [*self.numeric, *self.categorical]


class Ingest(msgspec.Struct, frozen=True):
    """What every stage may know of `ingest`; `ingest.Options` checks the keys of its own."""

    until: date | None


class Validate(Strict, frozen=True):
    examples: Annotated[int, msgspec.Meta(ge=1, le=20)]


class Split(Strict, frozen=True):
    holdout_weeks: Annotated[int, msgspec.Meta(ge=1, le=520)]
    min_train_days: Count
    holdout_share: Share
    group: Name | None


class Train(Strict, frozen=True):
    environment: Literal["train", "xgboost"]
    estimator: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]
    arguments: dict[str, Any]
    encoding: Literal["ordinal", "onehot"]
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    importance_rows: Count
    importance_repeats: Annotated[int, msgspec.Meta(ge=1, le=100)]


class Evaluate(Strict, frozen=True):
    slices: list[Name]
    sensitive: list[Name]
    min_slice_rows: Count
    confidence: Annotated[float, msgspec.Meta(ge=0.5, lt=1)]
    bins: Annotated[int, msgspec.Meta(ge=2, le=100)]


class Predict(Strict, frozen=True):
    bad_rows: Literal["reject", "stop"]
    rows_at_once: Count


class Gate(Strict, frozen=True):
    """What a new model must keep; a stricter one is a section of the same shape."""

    margin: Amount
    confidence: Annotated[float, msgspec.Meta(ge=0.5, lt=1)]
    min_clusters: Annotated[int, msgspec.Meta(ge=2)]
    floors: dict[str, Finite]
    min_slice_rows: Count
    min_slice_class: Count
    min_slice_clusters: Annotated[int, msgspec.Meta(ge=2)]
    beat_linear: Finite | None
    latency_ms: Above | None
    latency_times: Above | None
    size_mib: Above | None
    jump: Above | None


class Retrain(Strict, frozen=True):
    """What makes a night train."""

    min_new_share: Amount
    max_age_days: Count


class Drift(Strict, frozen=True):
    alarm: Share
    effect: Amount
    times: Amount
    windows: Annotated[int, msgspec.Meta(ge=2)]
    min_current: Count
    min_reference: Count
    calendar: list[Name]
    permutations: Annotated[int, msgspec.Meta(ge=99, le=99_999)]
    rows: Count
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class Monitor(Strict, frozen=True):
    """What is watched of the prediction log."""

    log: Name
    window_days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    past_days: Annotated[int, msgspec.Meta(ge=0, le=3660)]
    keep_days: Annotated[int, msgspec.Meta(ge=1, le=36600)]
    min_volume: Share | None
    latency_ms: Above | None


class Store(Strict, frozen=True):
    remote: Name
    ref: Annotated[str, msgspec.Meta(pattern=r"^refs/[\w.-]+(/[\w.-]+)+$")]
    limit_mib: Count


class Card(Strict, frozen=True):
    """What people say of a model: no run can know it."""

    purpose: Text
    owner: Name
    risk: Literal["minimal", "limited", "high", "unacceptable"]
    limits: list[Text]
    data_licence: Name
    oversight: str
    data_governance: str
    record_keeping: str


class Params(Strict, frozen=True):
    task: Task
    ingest: Ingest
    validate: Validate
    split: Split
    train: Train
    evaluate: Evaluate
    predict: Predict
    gate: Gate
    promotion: dict[str, Any]
    retrain: Retrain
    drift: Drift
    monitor: Monitor
    store: Store
    card: Card

    @property
    def promotion_gate(self) -> Gate:
        """The gate of a merge into `release`: what `promotion` names replaces the other's.

        Raises:
            ProjectError: a key is none of the gate's, or its value is not allowed there.
        """
        both = {**msgspec.to_builtins(self.gate), **self.promotion}
        return convert(both, Gate, "promotion")


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check the parameters.

    Raises:
        ProjectError: the file is missing, no YAML, or holds a value that its rule refuses.
    """
    values = read(path)
    for name, value in flat(values).items():
        if isinstance(value, date):
            raise ProjectError(
                f'params.yaml: {name} is {value}, which DVC cannot read: write "{value}"'
            )
    return agree(convert(values, Params))


def options(section: str, kind: type[Kind], path: Path = Path("params.yaml")) -> Kind:
    """Read one section as a module's own kind of options.

    Raises:
        ProjectError: as `load`.
    """
    return convert(read(path).get(section), kind, section)


def read(path: Path) -> dict[str, Any]:
    """The parameters as they stand in the file, unchecked.

    Raises:
        ProjectError: the file is missing, or no YAML mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectError(f"{path} is missing: run the command in the project's folder") from None
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise ProjectError(f"{path} is not valid YAML: {where}") from None
    if not isinstance(values, dict):
        raise ProjectError(f"{path} must hold sections (task:, ingest:, ...), not {values!r}")
    return values


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted names."""
    named: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, dict)
        named |= flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return named


def convert(values: Any, kind: type[Kind], section: str = "") -> Kind:
    """Turn plain values into a checked kind of options.

    Raises:
        ProjectError: a key is unknown or missing, or a value has the wrong type or range.
    """
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ProjectError(explain(str(error), values, kind, section)) from None


def explain(message: str, values: Any, kind: type, section: str) -> str:
    """One sentence with the key's path, its value and what is allowed."""
    rule, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    full = ".".join(part for part in (section, path) if part)
    if field := re.search(r"(unknown|required) field `(.+)`", rule):
        problem = "is not a known key" if field[1] == "unknown" else "is missing"
        keys = ", ".join(getattr(annotation(kind, path), "__struct_fields__", ()))
        name = ".".join(part for part in (full, field[2]) if part)
        return f"params.yaml: {name} {problem}; the keys of {full or 'the file'} are {keys}"
    wanted = allowed(annotation(kind, path), rule)
    return f"params.yaml: {full} is {lookup(values, path)!r}; {wanted}"


def allowed(declared: Any, rule: str) -> str:
    """What a value may be: the choices where there are some, else the broken rule."""
    choices = getattr(declared, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return f"it must be one of {', '.join(choices)}"
    if "date" in rule:
        return "expected a date such as 2013-06-30"
    return rule[0].lower() + rule[1:]


def annotation(kind: Any, path: str) -> Any:
    """The declared type of a key, such as `split.group`."""
    for name in re.findall(r"[A-Za-z_]\w*", path):
        kind = getattr(kind, "__annotations__", {}).get(name, object)
    return kind


def lookup(values: Any, path: str) -> Any:
    """The value at a path such as `task.numeric[2]`."""
    for name, index in re.findall(r"([A-Za-z_]\w*)|\[(\d+)\]", path):
        values = values[int(index)] if index else values.get(name)
    return values


def agree(params: Params) -> Params:
    """Rules that join two keys.

    Raises:
        ProjectError: two keys contradict each other.
    """
    task, names = params.task, params.task.features
    if task.metric not in METRICS[task.kind]:
        choices = ", ".join(METRICS[task.kind])
        raise ProjectError(
            f"params.yaml: task.metric is {task.metric!r}; a {task.kind} task has {choices}"
        )
    for section, gate in (("gate", params.gate), ("promotion", params.promotion_gate)):
        if unknown := sorted(set(gate.floors) - set(METRICS[task.kind])):
            choices = ", ".join(METRICS[task.kind])
            raise ProjectError(
                f"params.yaml: {section}.floors names {unknown[0]!r}; a {task.kind} task has "
                f"{choices}"
            )
    if (task.time is None) != (params.ingest.until is None):
        raise ProjectError(
            f"params.yaml: task.time is {task.time!r} and ingest.until is {params.ingest.until}; "
            "either both are set (a table with time) or both are null"
        )
    if not names:
        raise ProjectError(
            "params.yaml: task.numeric and task.categorical name no feature: add one"
        )
    roles = [task.target, task.key, *names]
    if twice := sorted({name for name in roles if roles.count(name) > 1}):
        raise ProjectError(
            f"params.yaml: task names {twice[0]!r} twice among target, key and features; "
            "a column has one role: remove one"
        )
    for section in ("slices", "sensitive"):
        if taken := OWN & set(getattr(params.evaluate, section)):
            raise ProjectError(
                f"params.yaml: evaluate.{section} names {min(taken)!r}, which the predictions use "
                "themselves: rename the column"
            )
    if params.train.estimator.startswith("xgboost.") and params.train.environment != "xgboost":
        raise ProjectError(
            f"params.yaml: train.estimator is {params.train.estimator!r} and train.environment is "
            f"{params.train.environment!r}; set train.environment to xgboost, then `make setup`"
        )
    if params.card.risk == "unacceptable":
        raise ProjectError(
            "params.yaml: card.risk is 'unacceptable', and Article 5 of the EU AI Act prohibits "
            "such a system: nothing here trains or ships it"
        )
    return params
