"""The closed sections of a comparison: gate, changes, decisions, metrics, slices, production."""

import json
from typing import Any

from ..text import NARROW, WORD_LIMIT, Section, clean, code, fence, number, prose, tag
from ..text import table as plain
from . import alone, shadow
from .comparison import Change, Comparison, Model
from .facts import Facts
from .groups import leads, slice_body, slices, verdicts
from .sides import outside
from .tables import Line, drawn, shared, signed
from .wording import decimals, heading

MARKS = {
    "passes": "✓ passes",
    "blocks": "**⛔ blocks**",
    "no baseline": "– no baseline",
    "not asked": "– not asked",
}
FILES = 20
"""The most files and parameters that are listed."""


def sections(facts: Facts, found: Comparison) -> list[Section | None]:
    """All sections of a comparison, the most wanted first."""
    parts = [gate(found), changed(found)]
    parts += [all_metrics(facts, found)] if leads(found) else []
    parts += [decisions(facts, found)]
    return [*parts, slices(facts, found), production(facts, found), simple(facts)]


def base_name(found: Comparison) -> str:
    """Base by what it is: a branch, or a commit."""
    return named(found.base, "base")


def production_name(found: Comparison) -> str:
    return named(found.champion, "production")


def named(model: Model | None, otherwise: str) -> str:
    name = (model.name or (model.commit or "")[:7]) if model else ""
    return code(name) if name else otherwise


def metrics(facts: Facts) -> str:
    """The table of all metrics against base, or production where there is no base; else empty."""
    found = facts.comparison
    if found is None:
        return ""
    if any(change.difference is not None for change in found.metrics.values()):
        beside = None if found.one_baseline else found.production
        return metric_table(facts, found.metrics, "Base", beside)
    return metric_table(facts, found.production, "Production", None) if found.production else ""


def metric_table(
    facts: Facts, changes: dict[str, Change], other: str, beside: dict[str, Change] | None
) -> str:
    """Each metric: result, now, the other model, production beside it, the difference drawn."""
    found = facts.comparison
    assert found is not None
    head = ["Metric", "Result", "Now", other, *(["Production"] if beside else [])]
    head.append(f"Now{NARROW}−{NARROW}{other.lower()}<br><sub>{facts.confidence}</sub>")
    relative = found.kind == "regression"
    lines = []
    for name, change in found.ordered(changes):
        digits, gain = decimals(name, change.now, change.raw), change.gain(change.lower_is_better)
        bold = "**" if name == found.metric else ""
        cells = [
            f"{bold}{heading(name, change.lower_is_better)}{bold}",
            gain.word.replace(" ", NARROW),
        ]
        cells += [f"{bold}{number(change.now, digits)}{bold}", number(change.base, digits)]
        cells += [number(beside[name].base if name in beside else None, digits)] if beside else []
        drawing = shared(name, change.base, gain) if relative else gain
        lines.append(Line([*cells, signed(change.raw, digits)], drawing))
    return drawn(head, "ll" + "r" * (len(head) - 2), lines, relative)


def gate(found: Comparison) -> Section | None:
    """Each rule with its limit and what was found."""
    if not found.rules:
        return None
    lines = [
        [
            *(
                prose(one, 300, WORD_LIMIT) if one else "–"
                for one in (rule.name, rule.limit, rule.found)
            ),
            mark(rule.result),
        ]
        for rule in found.rules
    ]
    body = plain(["Rule", "Limit", "Found", "Result"], "llll", lines)
    whose = f"{base_name(found)}, not this branch" if found.gate_from == "base" else "this branch"
    return Section("Gate", tally(found), f"{body}\n\n<sub>The rules are those of {whose}.</sub>")


def mark(result: str) -> str:
    return MARKS.get(result, prose(result)).replace(" ", NARROW)


def tally(found: Comparison) -> str:
    """How many rules pass, block, and wait, in HTML."""
    count = {kind: sum(rule.result == kind for rule in found.rules) for kind in MARKS}
    asked = len(found.rules) - count["not asked"] - count["no baseline"]
    text = (
        f"{count['passes']} of {asked} rules pass" if count["blocks"] else f"all {asked} rules pass"
    )
    if count["blocks"]:
        names = ", ".join(tag(rule.name) for rule in found.blocking[:3])
        more = f" and {count['blocks'] - 3} more" if count["blocks"] > 3 else ""
        text += f"; {names}{more} block{'s' * (count['blocks'] == 1)}"
    return text + (f"; {count['no baseline']} without a baseline" if count["no baseline"] else "")


def changed(found: Comparison) -> Section:
    """Parameters as a diff, and the files behind them."""
    known, names = found.changed.params, found.changed.files
    parts = []
    if known:
        lines = [line for one in known[:FILES] for line in diff(*one)]
        parts.append(fence(lines, "diff"))
    if len(known) > FILES:
        parts.append(f"And {len(known) - FILES:,} parameters more.")
    if names:
        more = f" and {len(names) - FILES:,} more" if len(names) > FILES else ""
        parts.append(f"Files: {', '.join(code(name, 100) for name in names[:FILES])}{more}.")
    answer = f"{count(known, 'parameter')}, {count(names, 'file')}{environment(found)}"
    return Section("Changed", answer, "\n\n".join(parts) or "Nothing that git shows.")


def count(found: list[Any], what: str) -> str:
    return f"{len(found) or 'no'} {what}{'s' * (len(found) > 1)}"


def environment(found: Comparison) -> str:
    """Whether the model's libraries are base's."""
    base = found.base
    if found.models is None or base is None or not base.environment:
        return ""
    same = found.models.now.environment == base.environment
    return ", same environment" if same else ", other versions of libraries"


def diff(name: str, old: Any, new: Any) -> list[str]:
    """A parameter's old and new line; only one of them where it came or went."""
    texts = [(sign, value) for sign, value in (("-", old), ("+", new)) if value is not None]
    return [
        f"{sign} {clean(name, 100)}: {clean(json.dumps(v, ensure_ascii=False), 100)}"
        for sign, v in texts
    ]


def all_metrics(facts: Facts, found: Comparison) -> Section:
    return Section("All metrics", answer(found.metrics), metrics(facts))


def answer(changes: dict[str, Change]) -> str:
    """How many metrics are clearly better and worse."""
    gains = [change.gain(change.lower_is_better) for change in changes.values()]
    better, worse = sum(gain.better for gain in gains), sum(gain.worse for gain in gains)
    return f"{better} of {len(gains)} clearly better, {worse} worse"


def production(facts: Facts, found: Comparison) -> Section | None:
    """Against the model that is in use: small drops from base to base must not add up."""
    if not found.production or found.one_baseline:
        return None
    parts = [metric_table(facts, found.production, "Production", None)]
    text = f"{answer(found.production)}"
    if found.slices_production:
        text += f"; slices: {verdicts(found.slices_production)}"
        parts.append(slice_body(facts, found, found.slices_production, "Production"))
    return Section("Against production", text, "\n\n".join(parts))


def decisions(facts: Facts, found: Comparison) -> Section | None:
    """What changes for whom, if this model takes the champion's place."""
    if found.shadow is None:
        return None
    champion = base_name(found) if found.shadow.against == "base" else production_name(found)
    which, name = outside(facts), facts.confidence
    return shadow.section(facts.params.task, found.shadow, champion, which, name)


def simple(facts: Facts) -> Section:
    """Whether the model is worth its complexity."""
    text = alone.verdict(facts).partition(" ")[2]
    text = text[0].lower() + text[1:]
    return Section(
        "Against simple models", text, f"{alone.metrics(facts)}\n\n{alone.method(facts)}"
    )
