"""What `make monitor` found, as a page for people: the verdict, the numbers, closed sections."""

from typing import Any

from ..text import NARROW, Section, cell, code, number, percent, places, prose, span, table
from . import drift as drifting
from .charts import Axis, bounds, drawing, ruler
from .fairness import GAPS, RATES
from .wording import IN_UNITS, heading, lower, title, under

Facts = dict[str, Any]

STATES = {
    "alarm": "🚨 What is served has changed",
    "trouble": "⚠ What is served needs a look",
    "calm": "✅ What is served is as the model learned it",
    "unjudged": "⚪ Too little was served to be judged",
    "empty": "⚪ Nothing was served",
    "no model": "⚪ There is no model",
}
MOST = 20
"""Slices and columns in a table, the worst first."""

WORSE, FINE = "▼ below its promise", "as promised"
"""A sign and a word, never a colour alone."""


def verdict(found: Facts) -> str:
    """The result in one plain sentence."""
    said = [*found["alarms"], *found["troubles"]]
    if said:
        return "; ".join(said)
    if found["state"] == "calm":
        return f"{found['rows']:,} rows are as {found['champion']} learned them"
    return "; ".join(found["remarks"])


def page(found: Facts) -> str:
    """A whole page in Markdown."""
    parts = [f"### {STATES[found['state']]}"]
    if found["alarms"]:
        parts.append(f"{note('; '.join(found['alarms']))}\n\n{follows(found)}")
    marked = [f"⚠ {note(said)}" for said in found["troubles"]]
    parts.append("\n".join(f"- {said}" for said in [*marked, *map(note, found["remarks"])]))
    if "rows" in found:
        parts += [facts(found), *map(str, sections(found))]
    return "\n\n".join(filter(None, parts)) + "\n"


def note(sentence: str) -> str:
    """With its first letter as a sentence has it; names inside stay as they are."""
    return f"{prose(sentence[:1].upper() + sentence[1:], 900)}."


def follows(found: Facts) -> str:
    """What an alarm leads to."""
    if found["promote"]:
        return "`main` has a model of newer data: `make promote` is what helps."
    return "A night is asked for with this reason; whether a better model comes of it, it says."


def facts(found: Facts) -> str:
    """The numbers of the window at a glance."""
    volume, took = found["volume"], found["latency"]
    rows = [["watched", f"{prose(found['champion'])} {code(found['model'][:8])}"]]
    rows.append(["rows scored", f"{volume['rows']:,} in {found['window_days']} days"])
    if volume["usual"] is not None:
        earlier = volume["earlier"]
        rows[-1][1] += f", {volume['usual']:,.0f} are usual"
        rows.append(["windows before", f"{min(earlier):,} to {max(earlier):,} rows"])
    rows.append(["by the champion", f"{found['rows']:,} different keys"])
    for each in found["models"][:5]:
        name = f"by {code(each['version'])} {code(each['md5'][:8])}"
        rows.append([name, f"{each['rows']:,}"])
    if took:
        rows.append(["a request takes", f"{number(took['median_ms'], 1)}{NARROW}ms, median"])
        rows.append(["nineteen in twenty", f"up to {number(took['p95_ms'], 1)}{NARROW}ms"])
    return table(["what was served", ""], "lr", rows)


def sections(found: Facts) -> list[Section]:
    parts = [served(found["drift"])] if found["drift"] else []
    parts += [missing(found["missing"])] if found["missing"] else []
    return [*parts, quality(found["quality"])]


def served(found: Facts) -> Section:
    """Drift without the roles that are no drift here: labels are judged as quality."""
    roles = {role: found["roles"][role] for role in ("feature", "prediction")}
    return drifting.section(found | {"roles": roles})


def missing(found: dict[str, list[float | None]]) -> Section:
    """Missing values by column, the largest change first."""

    def change(item: tuple[str, list[float | None]]) -> tuple[float, str]:
        name, (then, now) = item
        return -abs((now or 0) - (then or 0)), name

    ranked = sorted(found.items(), key=change)
    rows = [[cell(name), share(then), share(now)] for name, (then, now) in ranked[:MOST]]
    body = table(["Column", "Trained on", "Served"], "lrr", rows)
    then, now = ranked[0][1]
    answer = f"{len(ranked):,} columns; most changed {share(then)} to {share(now)}"
    hidden = f"\n\n{len(ranked) - MOST:,} more columns are in `monitor.json`."
    return Section("Missing values", answer, body + (hidden if len(ranked) > MOST else ""))


def share(value: float | None) -> str:
    return "–" if value is None else percent(value, 0 if value >= 0.1 or not value else 1)


def quality(found: Facts) -> Section:
    """What labels say, where they have come."""
    if not found["rows"]:
        return Section("Quality", "not judged", note(found["reason"]))
    metric, now, then = found["metric"], found["now"], found["promised"]
    digits = places(now["value"]) if metric in IN_UNITS else 3
    answer = f"{title(metric)} {number(now['value'], digits)}, {state(found)}"
    told = (
        f"{title(metric)} on {found['rows']:,} labelled rows that the champion scored and was not "
        f"trained on, {found['clusters']:,} clusters: {number(now['value'], digits)} "
        f"({span(now['low'], now['high'], digits)}); promised {span(then[0], then[1], digits)}."
    )
    parts = [told, slices(found, digits), *(groups(one) for one in found["fairness"])]
    return Section("Quality", answer, "\n\n".join(filter(None, parts)))


def state(found: Facts) -> str:
    if found["broken"]:
        return WORSE
    return prose(found["reason"]) if found.get("reason") else FINE


def slices(found: Facts, digits: int) -> str:
    """Each slice with its interval drawn, and the promise beside it."""
    sign = -1 if lower(found["metric"]) else 1
    judged = sorted(
        found["slices"], key=lambda each: (not each["broken"], sign * (each["value"] or 0))
    )
    small = f"<sub>Slices under {found['least']:,} rows are not judged. Intervals of slices are "
    small += "widened for their number. │ in a drawing: all rows.</sub>"
    if not judged:
        return small
    ends = [each[key] for each in judged for key in ("low", "value", "high")]
    low, high = bounds([found["now"]["value"], *ends])
    left, right = (high, low) if lower(found["metric"]) else (low, high)
    axis = Axis(left, right, found["now"]["value"])
    rows = [line(each, digits, axis) for each in judged[:MOST]]
    head = ["Slice", "Rows", heading(found["metric"]), "Promised", ruler(axis)]
    hidden = f"{len(judged) - MOST:,} more slices are in `monitor.json`. "
    small = small.replace("<sub>", f"<sub>{hidden}") if len(judged) > MOST else small
    return f"{table(head, 'lrrrc', rows)}\n\n{small}"


def line(each: Facts, digits: int, axis: Axis) -> list[str]:
    word = f"<br>{WORSE}" if each["broken"] else ""
    return [
        f"{cell(each['group'])} <sub>{cell(each['slice'])}</sub>{word}",
        f"{each['rows']:,}",
        f"{number(each['value'], digits)}{under(each['low'], each['high'], digits)}",
        span(each["promised"][0], each["promised"][1], digits)
        if None not in each["promised"]
        else "–",
        drawing(each["low"], each["value"], each["high"], axis),
    ]


def groups(one: Facts) -> str:
    """A sensitive column: the rates of its groups with n, and the gaps between them."""
    rates = [name for name in RATES if one["groups"] and name in one["groups"][0]]
    rows = [
        [cell(each["group"]), *(text for name in rates for text in rate(each[name]))]
        for each in one["groups"]
    ]
    head = [f"Group <sub>{cell(one['column'])}</sub>"]
    parts = []
    if rows:
        wide = [*head, *(text for name in rates for text in ("n", RATES[name]))]
        parts.append(table(wide, "l" + "rr" * len(rates), rows))
    if left := one["small"]["groups"]:
        parts.append(f"{left:,} groups have too few rows, {one['small']['rows']:,} in all.")
    parts += [gap(each) for each in one["gaps"]]
    return "\n\n".join(parts)


def rate(found: Facts) -> list[str]:
    if found["value"] is None:
        return [f"{found['rows']:,}", "too few rows"]
    return [
        f"{found['rows']:,}",
        f"{number(found['value'])}{under(found['low'], found['high'], 3)}",
    ]


def gap(each: Facts) -> str:
    """One gap in a sentence."""
    if each["value"] is None:
        return f"{GAPS[each['name']]}: fewer than two groups can be judged."
    told = f"{GAPS[each['name']]}: {number(each['value'])} ({span(each['low'], each['high'])})"
    if None in each["promised"]:
        return f"{told}; nothing was promised."
    word = ", **further apart**" if each["broken"] else ""
    return f"{told}; promised {span(*each['promised'])}{word}."
