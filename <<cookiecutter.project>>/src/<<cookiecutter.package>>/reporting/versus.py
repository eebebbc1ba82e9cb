"""The opening of a comparison: verdict, reason, one table, and what would unblock it."""

import re
from datetime import datetime

from ..text import NARROW, code, number, prose
from . import alone
from .compared import base_name, metrics, production_name
from .comparison import Accepted, Change, Comparison
from .facts import Facts
from .groups import against, leads, slice_name, slice_table, worst
from .wording import decimals, interval, title

LISTED = 8
"""The most reasons, warnings and ways out that are told each."""

TROUBLES = {
    "rows": "its predictions cannot be judged",
    "metrics": "its metrics do not hold",
    "clusters": "too few clusters to judge",
    "base": "not comparable with base",
    "production": "not comparable with production",
    "jump": "too good to be true",
    "linear model": "not better than a linear model",
    "latency": "too slow",
    "latency against base": "slower than base",
    "size": "too large",
    "card": "without what the EU AI Act asks of a high-risk system",
    "model": "its model cannot come back",
}
"""What a model is that breaks a rule of the gate; slices are named one by one."""

ACCEPT = re.compile(r",? or [^,]*\baccept-model\b.*")
"""How a way out says that a maintainer may accept the model; it is told once for all ways."""

SIGNS = {"better": "✅", "equal": "⚪", "first": "🆕", "unchanged": "⚪", "rollback": "↩️"}


def opening(facts: Facts, found: Comparison) -> str:
    parts = [f"### {verdict(found)}", *acceptance(found.accepted), reason(facts, found)]
    if found.verdict != "unchanged":
        parts += [*also(found), table(facts, found)]
    parts += [*warnings(found), *unblock(found)]
    return "\n\n".join(part for part in parts if part)


def verdict(found: Comparison) -> str:
    """The decision in words that stand alone."""
    if found.accepted is not None:
        return f"⚠️ Accepted by {code(found.accepted.by)} although {trouble(found)}"
    if found.red:
        what = trouble(found)
        return f"⛔ {what[0].upper()}{what[1:]}"
    told = {
        "better": f"Better than {base_name(found)}, gate passes",
        "equal": f"As good as {base_name(found)}, gate passes",
        "first": "First champion: there is none to compare with yet"
        if found.target == "release"
        else "First model: nothing to compare with yet",
        "rollback": "Rollback: this model was in production before",
        "unchanged": "No change to the model",
    }
    return f"{SIGNS[found.verdict]} {told[found.verdict]}"


def trouble(found: Comparison) -> str:
    """What is wrong, as part of a sentence."""
    if found.verdict == "worse":
        return f"worse than {loser(found)}"
    if found.reasons and found.reasons[0].startswith("undecided"):
        return f"blocked: undecided whether it is worse than {base_name(found)}"
    if leads(found):
        first, *others = [one for one in worst(found) if one.result == "worse"]
        more = f" and {len(others)} other slice{'s' * (len(others) > 1)}" if others else ""
        return f"blocked: worse for {slice_name(first)}{more}"
    told = dict.fromkeys(broken(rule.name) for rule in found.blocking)
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""
    return f"blocked: {', '.join([*told][:3])}{more}" if told else "blocked by the gate"


def broken(rule: str) -> str:
    """What a model is that breaks a rule."""
    if rule.startswith("floor of "):
        return f"below the floor of {title(rule.removeprefix('floor of '))}"
    return TROUBLES.get(rule, f"by the rule {code(rule)}")


def loser(found: Comparison) -> str:
    """Base, or production where that is what the model is worse than."""
    here, lost = found.headline, (found.production or {}).get(found.metric)
    clear = here is not None and here.gain(found.lower).worse
    if not clear and lost is not None and lost.gain(found.lower).worse:
        return f"production, {production_name(found)}"
    return base_name(found)


def acceptance(accepted: Accepted | None) -> list[str]:
    """Who took the responsibility, when and why."""
    if accepted is None:
        return []
    why = prose(accepted.why, 300) if accepted.why else "no reason was given"
    return [f"{code(accepted.by)} accepted this model on {moment(accepted.when)}: {sentence(why)}"]


def moment(when: str) -> str:
    try:
        return datetime.fromisoformat(when).strftime(f"%Y-%m-%d %H:%M{NARROW}%Z").strip()
    except ValueError:
        return code(when)


def reason(facts: Facts, found: Comparison) -> str:
    """The numbers behind the verdict, then the one counter-fact."""
    first = prose(found.reasons[0]) if found.reasons else ""
    if found.verdict == "first":
        text = f"{alone.headline(facts, '**')}: {alone.gains(facts)}."
        text += " The rules that need no baseline pass."
        becomes = "champion" if found.target == "release" else "baseline"
        return f"{text} Merging makes this model the {becomes}."
    if found.verdict == "unchanged":
        return unchanged(facts, found)
    main = headline(facts, found)
    if found.verdict in ("blocked", "rollback") or not main:
        return " ".join(filter(None, [sentence(first), f"Overall: {main}" if main else ""]))
    return f"{main} {counter(found)}{beside_production(found)}".strip()


def sentence(text: str) -> str:
    """With a capital and a full stop, as far as it begins with a word."""
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.!?' else '.'}"


def headline(facts: Facts, found: Comparison) -> str:
    """Old and new value of the headline metric, and the difference with its interval."""
    change, other = found.headline, "base"
    if change is not None and change.difference is None and found.production:
        change, other = found.production.get(found.metric), "production"
    if change is None or change.difference is None:
        return ""
    digits = decimals(found.metric, change.now, change.raw)
    values = f"{number(change.base, digits)}{NARROW}→{NARROW}{number(change.now, digits)}"
    where = f", against {production_name(found)} in production" if other == "production" else ""
    text = f"**{title(found.metric)} {values}**, {number(change.difference, digits, sign=True)}"
    if change.low is None or change.high is None:
        return f"{text} (no interval){where}."
    spread = interval(change.raw, digits, sign=True).partition("(")[2]
    return f"{text} ({facts.confidence} {spread}{where}."


def counter(found: Comparison) -> str:
    """What is worse although the headline is not, or that nothing is."""
    bad = [
        title(name)
        for name, change in found.ordered(found.metrics)
        if name != found.metric and change.gain(change.lower_is_better).worse
    ]
    judged = [one for one in found.slices if one.result != "small"]
    if found.verdict != "worse":  # then the reasons name them
        bad += [slice_name(one) for one in judged if one.result == "worse"]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        return f"Clearly worse: {', '.join(bad[:3])}{more}."
    if found.verdict == "worse":
        return ""
    none = f"none of {len(judged)} slices is" if judged else "is"
    return f"No metric {f'and {none}' if judged else none} clearly worse."


def beside_production(found: Comparison) -> str:
    if found.one_baseline:
        return " Production is the same model as base."
    change = (found.production or {}).get(found.metric)
    if change is None or change.difference is None:
        return ""
    digits = decimals(found.metric, change.now, change.raw)
    gained = interval(change.raw, digits, sign=True)
    return f" Against production ({production_name(found)}): {gained}."


def unchanged(facts: Facts, found: Comparison) -> str:
    change = found.headline or Change(None, None, None, None, None)
    digits = decimals(found.metric, change.now, change.raw)
    text = "Nothing that the model depends on changed (data, code, parameters, environment), so "
    text += (
        f"nothing was trained: {title(found.metric)} stays at **{number(change.now, digits)}** on"
    )
    return (
        f"{text} {facts.held:,} held-out rows, as on {base_name(found)}.{beside_production(found)}"
    )


def also(found: Comparison) -> list[str]:
    """The reasons behind the first one."""
    rest = found.reasons[1:] if found.verdict in ("blocked", "worse") else []
    if len(rest) == 1:
        return [f"Also: {prose(rest[0], 300)}"]
    return ["Also:", listed(rest)] if rest else []


def listed(sentences: list[str], mark: str = "") -> str:
    """A list of strangers' sentences, short enough for a comment whatever they hold."""
    more = [f"- and {len(sentences) - LISTED:,} more"] if len(sentences) > LISTED else []
    return "\n".join([*(f"- {mark}{prose(one, 300)}" for one in sentences[:LISTED]), *more])


def table(facts: Facts, found: Comparison) -> str:
    """The slices where they decide, else the metrics; the simple models where there is no other."""
    if leads(found):
        shown, judged = worst(found), [one for one in found.slices if one.result != "small"]
        note = f"{title(found.metric)} in the worst and the best of {len(judged)} slices."
        return f"{slice_table(facts, shown, against(found))}\n\n<sub>{note}</sub>"
    if all(change.now is None for change in found.metrics.values()):
        return ""
    return metrics(facts) or f"{alone.metrics(facts)}\n\n{alone.method(facts)}"


def warnings(found: Comparison) -> list[str]:
    return [listed(found.warnings, "⚠️ ")] if found.warnings else []


def unblock(found: Comparison) -> list[str]:
    """What to do about a red verdict."""
    if not found.red:
        return []
    known = {rule.name: rule.unblock for rule in found.blocking if rule.unblock}
    ways = {name: way for name, text in known.items() if (way := ACCEPT.sub("", text))}
    told = "this report, the model card and the history then name who did."
    if found.target == "release":  # nothing is committed on the way there
        told = "this report then names who did."
    accept = f"a maintainer accepts this very model with the label `accept-model`; {told}"
    last = f" Or {accept}" if not known or any(map(ACCEPT.search, known.values())) else ""
    if len(ways) > 1:
        return ["**To unblock:**", listed([f"{n}: {w}" for n, w in ways.items()]), last.strip()]
    way = next(iter(ways.values()), "train a model that keeps the rules")
    return [f"**To unblock:** {prose(way, 300).rstrip('.')}.{last}"]
