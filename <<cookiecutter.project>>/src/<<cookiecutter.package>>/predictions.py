"""Prediction tables: checked, brought into one order, and cut into parts.

A table has the columns `key`, `cluster`, `truth` and `score`; every further column is a slice.
The rows may come in any order: tables are joined by their keys.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .metrics import Codes, Metric, Values, effective
from .text import clean

ROLES = ("key", "cluster", "truth", "score")
SUM = 1e-3
"""How far the chances of the classes may sum from 1: float32 models round."""
CHUNK = 1_000_000


class Unusable(Exception):
    """Tables on which nothing can be judged; the message says why in one sentence."""


@dataclass(frozen=True)
class Groups:
    """A slice column: each row's group as a code, and the groups' names."""

    code: Codes
    names: pl.Series


@dataclass(frozen=True)
class Summed:
    """A metric on some rows, and the influence of each of their clusters."""

    value: float
    sums: Values


@dataclass(frozen=True)
class Part:
    """Rows that are judged together, ordered by cluster.

    Args:
        scores: of each table, such as now and base.
        first: where each cluster begins.
    """

    truth: Values
    scores: dict[str, Values]
    first: Codes

    @property
    def size(self) -> Codes:
        """The rows of each cluster."""
        return np.asarray(np.diff(np.r_[self.first, len(self.truth)]))

    def measure(self, metric: Metric, table: str) -> Summed:
        found = metric(self.truth, self.scores[table])
        return Summed(found.value, np.add.reduceat(found.influence, self.first))


@dataclass(frozen=True)
class Rows:
    """Tables with the same keys in one order, that of the keys.

    Args:
        truth: shape (rows,).
        scores: of each table, shape (rows,) or (rows, classes).
        cluster: shape (rows,), codes from 0 without gaps.
        sha256: of the keys and truths.
    """

    truth: Values
    scores: dict[str, Values]
    cluster: Codes
    slices: dict[str, Groups]
    sha256: str
    warnings: list[str] = field(default_factory=list)

    @property
    def whole(self) -> Part:
        everything = Groups(np.zeros(len(self.truth), np.intp), pl.Series(["all"]))
        return next(part for _, part in self.parts(everything, np.array([True])))

    def parts(self, groups: Groups, wanted: NDArray[np.bool_]) -> Iterator[tuple[int, Part]]:
        """The code and the rows of each wanted group; the rows are sorted once for all."""
        place = np.flatnonzero(wanted[groups.code])
        joint = groups.code[place] * (int(self.cluster.max()) + 1) + self.cluster[place]
        order = np.argsort(joint, kind="stable")
        joint, place = joint[order], place[order]
        code, truth = groups.code[place], self.truth[place]
        scores = {name: score[place] for name, score in self.scores.items()}
        first = np.flatnonzero(np.r_[True, joint[1:] != joint[:-1]])
        last = np.r_[code[1:] != code[:-1], len(code) > 0]
        start = 0
        for end in map(int, np.flatnonzero(last) + 1):
            inside = first[np.searchsorted(first, start) : np.searchsorted(first, end)] - start
            own = {name: score[start:end] for name, score in scores.items()}
            yield int(code[start]), Part(truth[start:end], own, inside)
            start = end


def align(tables: Mapping[str, pl.DataFrame], kind: str) -> Rows:
    """Check the tables and bring them into the order of their keys.

    Args:
        tables: `now`, and what it is compared with: `base`, `production`.
        kind: of the task: binary, regression or multiclass.

    Raises:
        Unusable: a column is missing, a value is missing or no number, a key stands twice, all
            predictions are equal, or the tables differ in their keys or truths.
    """
    for name, table in tables.items():
        check(name, table)
    now = tables["now"]
    places = {name: table["key"].cast(pl.String).arg_sort() for name, table in tables.items()}
    keys = now["key"].cast(pl.String).gather(places["now"])
    if twice := int((keys == keys.shift(1)).sum()):
        raise Unusable(f"now repeats {twice:,} of its {len(keys):,} keys: a key names one row")
    truth = numbers("now", now, "truth").take(places["now"].to_numpy())
    scores = {}
    for name, table in tables.items():
        if name != "now":
            agree(name, table, places[name], keys, truth)
        scores[name] = predicted(name, table, kind)[places[name].to_numpy()]
    check_range(kind, truth, scores)
    cluster, warnings = clusters(tables, places)
    groups = {
        column: coded(tables[name][column].cast(pl.String).fill_null("missing"), places[name])
        for column, name in sliced(tables).items()
    }
    return Rows(truth, scores, cluster, groups, digest(keys, truth), warnings)


def check(name: str, table: pl.DataFrame) -> None:
    """Columns, rows and keys.

    Raises:
        Unusable: as `align`.
    """
    for column in ("key", "truth", "score"):
        if column not in table.columns:
            raise Unusable(f"{name} has no column {column!r}: its columns are {listed(table)}")
    if not table.height:
        raise Unusable(f"{name} has no rows")
    for column in table.columns:
        if column in ("key", "cluster") and (missing := table[column].null_count()):
            raise Unusable(f"{name} lacks the {column} of {missing:,} of {table.height:,} rows")
        if column not in ("truth", "score") and table[column].dtype.is_nested():
            raise Unusable(
                f"{name} has {table[column].dtype} in {clean(column)!r}, which must hold numbers, "
                "text or dates"
            )


def listed(table: pl.DataFrame) -> str:
    return ", ".join(clean(column) for column in table.columns[:20])


def numbers(name: str, table: pl.DataFrame, column: str) -> Values:
    """A column of finite numbers, shape (rows,).

    Raises:
        Unusable: some are not.
    """
    return finite(name, column, table[column], table.height)


def finite(name: str, column: str, values: pl.Series, rows: int) -> Values:
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        raise Unusable(f"{name} has {values.dtype} in {column!r}, which must hold numbers")
    found = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if bad := len(found) - int(np.isfinite(found).sum()):
        raise Unusable(
            f"{name} has a {column} that is missing, NaN or infinite {bad:,} times in {rows:,} rows"
        )
    return found


def predicted(name: str, table: pl.DataFrame, kind: str) -> Values:
    """The scores, shape (rows,) or, of many classes, (rows, classes).

    Raises:
        Unusable: they have another shape, or are not all finite numbers.
    """
    column = table["score"]
    if kind != "multiclass":
        return numbers(name, table, "score")
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if not isinstance(column.dtype, pl.List):
        raise Unusable(
            f"{name} has {column.dtype} in 'score', which must hold a list with the chance of "
            "each class"
        )
    widths = column.list.len().unique().to_list()
    if len(widths) != 1 or not widths[0] or widths[0] < 2:
        raise Unusable(f"{name} has lists of different or too small length in 'score': {widths}")
    return finite(name, "score", column.explode(), table.height).reshape(-1, widths[0])


def agree(name: str, table: pl.DataFrame, place: pl.Series, keys: pl.Series, truth: Values) -> None:
    """Hold a table against the new model's.

    Raises:
        Unusable: the keys or truths differ.
    """
    own = table["key"].cast(pl.String).gather(place)
    if not own.equals(keys):
        lacks, more = (a.join(b, on="key", how="anti").height for a, b in sides(keys, own))
        raise Unusable(
            f"now and {name} hold different rows: {lacks:,} of now's {len(keys):,} keys are not "
            f"in {name}, and {more:,} of {name}'s {len(own):,} not in now"
        )
    wrong = int((numbers(name, table, "truth")[place.to_numpy()] != truth).sum())
    if wrong:
        raise Unusable(f"now and {name} have different truths in {wrong:,} rows")


def sides(one: pl.Series, other: pl.Series) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    a, b = one.to_frame("key"), other.to_frame("key")
    return [(a, b), (b, a)]


def check_range(kind: str, truth: Values, scores: dict[str, Values]) -> None:
    """Truths are classes where there are classes, scores are chances, and not all of them equal.

    Raises:
        Unusable: they are not.
    """
    widths = {name: score.shape[1:] for name, score in scores.items()}
    if len(set(widths.values())) > 1:
        raise Unusable(f"the tables have scores for different numbers of classes: {widths}")
    if kind != "regression":
        classes = widths["now"][0] if kind == "multiclass" else 2
        if not ((truth >= 0) & (truth < classes) & (truth == np.floor(truth))).all():
            raise Unusable(
                f"truth holds values that are no class: the classes are 0 to {classes - 1}"
            )
        for name, score in scores.items():
            if score.min() < 0 or score.max() > 1:
                raise Unusable(f"{name} has scores outside 0 to 1, which are no chances")
            if kind == "multiclass" and np.abs(score.sum(axis=1) - 1).max() > SUM:
                raise Unusable(f"{name} has rows whose chances do not sum to 1")
    if (scores["now"] == scores["now"][0]).all():
        shown = np.array2string(scores["now"][0], precision=6, threshold=5)
        raise Unusable(f"now predicts {shown} for every row: all predictions are the same")


def clusters(
    tables: Mapping[str, pl.DataFrame], places: dict[str, pl.Series]
) -> tuple[Codes, list[str]]:
    """Each row's cluster, and what is to be said about it.

    Where the tables do not agree, the coarsest clusters count: finer ones could only make a
    difference look surer than it is.
    """
    found = {
        name: coded(table["cluster"].cast(pl.String), places[name]).code
        for name, table in tables.items()
        if "cluster" in table.columns
    }
    height = tables["now"].height
    if not found:
        return np.arange(height), ["no table has clusters: rows are taken as independent"]
    name = min(found, key=lambda name: effective(np.bincount(found[name])))
    chosen, warnings = found[name], []
    if len(found) < len(tables) or any((codes != chosen).any() for codes in found.values()):
        warnings.append(
            f"the tables differ in their clusters: those of {name}, the coarsest, count"
        )
    if int(chosen.max()) + 1 == height:
        warnings.append("each row is a cluster of its own: rows are taken as independent")
    return chosen, warnings


def coded(column: pl.Series, place: pl.Series) -> Groups:
    names = column.unique().sort()
    code = column.cast(pl.Enum(names)).to_physical().gather(place)
    return Groups(code.to_numpy().astype(np.intp), names)


def sliced(tables: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """Each slice column and the table that has it: one that a change removes is judged still."""
    found: dict[str, str] = {}
    for name, table in tables.items():
        for column in table.columns:
            if column not in ROLES:
                found.setdefault(column, name)
    return dict(sorted(found.items()))


def digest(keys: pl.Series, truth: Values) -> str:
    """The sha256 of the sorted keys with their truths: the same for the same held-out rows."""
    found = hashlib.sha256()
    for start in range(0, len(keys), CHUNK):
        part = keys.slice(start, CHUNK)
        found.update(part.str.len_bytes().to_numpy().astype("<u4").tobytes())
        found.update(part.str.join("").item().encode())
        found.update(truth[start : start + CHUNK].astype("<f8").tobytes())
    return found.hexdigest()
