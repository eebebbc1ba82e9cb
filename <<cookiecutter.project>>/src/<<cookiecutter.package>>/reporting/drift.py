"""Drift as Markdown, from what `drift.json` holds: for a summary, an issue, a pull request.

Distributions are strips of characters that every code font has; the blocks of sparklines are not.
"""

from typing import Any

from ..text import (
    NARROW,
    Section,
    cell,
    code,
    number,
    percent,
    places,
    prose,
    span,
    table,
    tag,
    verbatim,
)
from .wording import title

Column = dict[str, Any]

MOST = 20
"""Columns in the table; more are counted, not shown."""

SHADES = " ░▒▓█"

WORDS = {
    "new": "▲ new",
    "usual": "△ as in earlier windows",
    "changed": "▲ changed",
    "unclear": "≈ cannot be told",
    "same": "no drift",
    "unjudged": "– not judged",
}
"""What is said of a column: a sign and a word, never a colour alone."""

ORDER = list(WORDS)
ROLES = {
    "feature": "input",
    "target": "target",
    "prediction": "prediction",
    "quality": "quality",
}


def page(found: dict[str, Any]) -> str:
    """A whole page: the verdict, what is new, the section."""
    return f"### {headline(found)}\n\n{section(found)}\n"


def headline(found: dict[str, Any]) -> str:
    """The verdict on one line, in Markdown; the columns that changed are named."""
    sentence = verdict(found)
    mark = "⚪"
    if found["alarm"]:
        mark = "🔵" if found["new"] is False else "⚠"
    named = [name for name, column in ranked(found) if column["alarm"]]
    wanted = [name for name in named if found["columns"][name]["new"]] or named
    shown = ", ".join(code(name) for name in wanted[:3])
    more = f" and {len(wanted) - 3:,} more" if len(wanted) > 3 else ""
    return f"{mark} Drift: {prose(sentence)}" + (f": {shown}{more}" if wanted else "")


def verdict(found: dict[str, Any]) -> str:
    """The result in one sentence, which names no column."""
    if not found["judged"]:
        return f"not judged: {found['reason']}"
    columns = found["columns"].values()
    whole = sum(column["judged"] for column in columns)
    changed = sum(column["alarm"] for column in columns)
    if not changed:
        return f"none of {whole:,} columns changed by more than days differ anyway"
    said = f"{changed:,} of {whole:,} columns changed"
    if not found["history"]["usable"]:
        return f"{said}, and there is too little history to say whether that is new"
    fresh = sum(bool(column["new"]) for column in columns)
    return f"{said}, {fresh or 'none':} of them by more than in earlier windows"


def section(found: dict[str, Any]) -> Section:
    """A closed section, its answer in the title."""
    columns = ranked(found)
    lines = [line(name, column) for name, column in columns[:MOST]]
    head = [
        "Column",
        "Result",
        "Trained on → new",
        "Distance<br><sub>limit</sub>",
        "Effect<br><sub>largest earlier</sub>",
        "0.5 sd<br><sub>would be found</sub>",
        "Trained on<br>new",
    ]
    parts = [table(head, "lllrrrl", lines)] if lines else []
    if len(columns) > MOST:
        parts.append(f"{len(columns) - MOST:,} more columns are in `drift.json`.")
    parts += [*kinds(found), *quality(found), method(found)]
    return Section("Drift", answer(found), "\n\n".join(parts))


def answer(found: dict[str, Any]) -> str:
    """The answer in HTML, for the section's title."""
    if not found["judged"]:
        return "not judged, too little data"
    names = [name for name, column in ranked(found) if column["new"]]
    fresh = f"; new: {', '.join(tag(name) for name in names[:3])}" if names else ""
    changed = sum(column["alarm"] for column in found["columns"].values())
    whole = sum(column["judged"] for column in found["columns"].values())
    return f"{changed:,} of {whole:,} columns changed{fresh}"


def ranked(found: dict[str, Any]) -> list[tuple[str, Column]]:
    """Columns, the most surprising first."""

    def place(item: tuple[str, Column]) -> tuple[int, float, str]:
        name, column = item
        return ORDER.index(state(column)), -(column["effect"] or 0), name

    return sorted(found["columns"].items(), key=place)


def state(column: Column) -> str:
    if not column["judged"]:
        return "unjudged"
    if not column["alarm"]:
        return "unclear" if blind(column) else "same"
    return {True: "new", False: "usual", None: "changed"}[column["new"]]


def blind(column: Column) -> bool:
    """Whether half a standard deviation would rather be missed than found."""
    return column["power"] is not None and column["power"] < 0.5


def line(name: str, column: Column) -> list[str]:
    """One row of the table."""
    role = ROLES.get(column["role"], column["role"])
    word = WORDS[state(column)]
    if column["reason"]:
        word += f"<br><sub>{prose(column['reason'], word=26)}</sub>"
    elif column["part"] == "missing" and column["alarm"]:
        word += "<br><sub>missing values</sub>"
    return [
        f"{cell(name)} <sub>{role}</sub>",
        word,
        change(column),
        over(column["distance"], column["limit"]),
        over(column["effect"], column["history"]["largest"]),
        "–" if column["power"] is None else percent(column["power"]),
        drawing(column),
    ]


def over(value: float | None, below: float | None) -> str:
    digits = max(places(value, 2), 2)
    return f"{number(value, digits)}<br><sub>{number(below, digits)}</sub>"


def change(column: Column) -> str:
    """What changed, in the column's own units."""
    told = column["change"]
    if not told:
        return "–"
    if column["part"] == "missing":
        return f"missing {arrow([share(value) for value in told['missing']])}"
    if told["what"] == "share":
        level = "other values" if told["level"] is None else cell(told["level"])
        return f"{level} {arrow([share(value) for value in told['share']])}"
    if told["what"] == "spread":
        return f"sd {arrow(plain(told['sd']))}"
    shift = told.get("shift")
    inside = "" if shift is None else f" <sub>({number(shift, 2, sign=True)}{NARROW}sd)</sub>"
    return f"mean {arrow(plain(told['mean']))}{inside}"


def plain(values: list[float | None]) -> list[str]:
    known = [abs(value) for value in values if value is not None]
    digits = places(max(known, default=0))
    return [number(value, digits) for value in values]


def share(value: float | None) -> str:
    return "–" if value is None else percent(value, 0 if value >= 0.1 or not value else 1)


def arrow(ends: list[str]) -> str:
    return f"{ends[0]}{NARROW}→{NARROW}{ends[1]}"


def drawing(column: Column) -> str:
    """Both distributions as strips, the darker the more rows; the new one below."""
    shape = column["shape"]
    if not shape or not (shape["reference"] and shape["current"]):
        return "–"
    most = max(*shape["reference"], *shape["current"]) or 1
    return "<br>".join(strip(shape[side], most) for side in ("reference", "current"))


def strip(shares: list[float], most: float) -> str:
    """A character for each share; what is not nothing is never blank."""
    levels = [max(round(4 * value / most), 1) if value > 0 else 0 for value in shares]
    return verbatim("".join(SHADES[level] for level in levels))


def kinds(found: dict[str, Any]) -> list[str]:
    """Input, target, prediction and quality, each with what was found."""
    if not found["judged"]:
        return []
    told = ((role, name) for role, name in KINDS.items() if role in found["roles"])
    said = [f"- {name}: {of_role(found, role)}" for role, name in told]
    return ["\n".join([*said, *kept(found.get("quality"))])]


KINDS = {
    "feature": "Inputs",
    "target": "Target",
    "prediction": "Predictions",
    "quality": "Errors of the predictions",
}


def of_role(found: dict[str, Any], role: str) -> str:
    whole = found["roles"][role]
    if not whole["judged"]:
        return f"not judged, {prose(whole['reason'])}."
    own = [column for column in found["columns"].values() if column["role"] == role]
    changed, fresh = (sum(bool(column[key]) for column in own) for key in ("alarm", "new"))
    said = f"{changed:,} of {whole['judged']:,} changed" if changed else "no drift"
    return said + (f", {fresh:,} by more than in earlier windows." if fresh else ".")


def kept(quality: dict[str, Any] | None) -> list[str]:
    """Whether the model keeps on the new rows what it promised."""
    if quality is None:
        return []
    word = "less than promised" if quality["broken"] else "as promised"
    return [
        f"- Quality: {word}, {title(quality['metric'])} {span(*quality['now'])} on the new rows "
        f"against {span(*quality['promised'])}."
    ]


def quality(found: dict[str, Any]) -> list[str]:
    """Volume, freshness, repetition, new values, the contract."""
    data, said = found["data"], []
    volume = data["volume"]
    span = volume["earlier"]
    if volume["current"] is not None:
        usual = f", {number(span[0], 0)} to {number(span[1], 0)} in earlier windows" if span else ""
        said.append(f"Volume: {number(volume['current'], 0)} rows a cluster{usual}.")
    fresh = data["freshness"]
    if fresh["current"] is not None:
        age = "" if fresh["age"] is None else f", {fresh['age']:,} days old"
        said.append(
            f"Newest: {code(fresh['current'])}{age}; trained on rows until "
            f"{code(fresh['reference'] or 'never')}."
        )
    if data["repeated"] and (again := data["repeated"]["equal"]):
        said.append(f"**{again:,} clusters are in the reference already, row for row.**")
    if data["repeated"] and (again := data["repeated"]["named"]):
        said.append(f"{again:,} clusters have the name of one of the reference.")
    for name, column in found["columns"].items():
        levels = column["levels"]
        if levels and levels["rows"]:
            shown = ", ".join(cell(each) for each in levels["named"])
            said.append(
                f"{code(name)} has {levels['values']:,} new values in "
                f"{levels['rows']:,} rows, such as {shown}."
            )
        if column["outside"]:
            said.append(f"{code(name)} breaks the contract in {column['outside']:,} rows.")
    return ["\n".join(f"- {each}" for each in [*said, *map(prose, found["warnings"])])]


def method(found: dict[str, Any]) -> str:
    """How it was decided, in small print."""
    rows, clusters, how = found["rows"], found["clusters"], found["method"]
    sides = {side: f"{rows[side]:,} rows in {clusters[side]:,} clusters" for side in rows}
    apart = ""
    if "unseen" in sides:
        apart = f" Predictions are held against those on {sides['unseen']} that were held out."
    return (
        f"<sub>Trained on {sides['reference']}, new {sides['current']}.{apart} "
        f"Whole clusters are exchanged {how['permutations']:,} times; changed: a chance of at "
        f"most {percent(how['alarm'])} over all columns together. New: {how['new']}, "
        f"of {found['history']['windows']:,} earlier windows. An effect of 0.5 is what "
        "half a standard deviation (sd) moves.</sub>"
    )
