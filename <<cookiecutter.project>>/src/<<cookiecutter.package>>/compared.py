"""The closed sections of a comparison: gate, changes, metrics, slices, production."""

import json
from typing import Any

from . import alone
from .comparison import Change, Comparison, Model, Slice
from .facts import Facts
from .slices import shorten
from .tables import Line, drawn, shared, signed
from .text import NARROW, WORD_LIMIT, Section, cell, clean, code, fence, number, prose, tag
from .text import table as plain
from .wording import RESULTS, decimals, heading, title

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
    return [*parts, slices(facts, found), production(facts, found), simple(facts)]


def base_name(found: Comparison) -> str:
    """Base by what it is: a branch, or a commit."""
    return named(found.base, "base")


def production_name(found: Comparison) -> str:
    return named(found.champion, "production")


def named(model: Model | None, otherwise: str) -> str:
    name = (model.name or (model.commit or "")[:7]) if model else ""
    return code(name) if name else otherwise


def slice_name(one: Slice) -> str:
    return f"{code(one.slice, 40)} {code(one.group, 40)}"


def leads(found: Comparison) -> bool:
    """Whether slices are what blocks: then they are shown before all else."""
    rule = any("slice" in rule.name.lower() for rule in found.blocking)
    return found.verdict == "blocked" and rule and bool(worst(found))


def against(found: Comparison) -> str:
    """Against which model slices got worse."""
    return "Base" if any(one.result == "worse" for one in found.slices) else "Production"


def worst(found: Comparison) -> list[Slice]:
    """The slices that got worse beside the next worst and the two best; none if none got worse."""
    known = found.slices if against(found) == "Base" else found.slices_production
    ranked = by_gain(found, [one for one in known if one.result != "small"])
    bad = [one for one in ranked if one.result == "worse"]
    rest = [one for one in ranked if one.result != "worse"]
    if not bad:
        return []
    fill = max(3 - len(bad), 0)
    return [*bad[:8], *rest[:fill], *rest[fill:][-2:]]


def by_gain(found: Comparison, known: list[Slice]) -> list[Slice]:
    """Slices by what they gained, the worst first."""
    return sorted(known, key=lambda one: one.gain(found.lower).value or 0)


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


def slice_table(facts: Facts, shown: list[Slice], other: str) -> str:
    found = facts.comparison
    assert found is not None
    head = ["Slice", "Result", "Rows", "Now", other]
    head.append(f"Now{NARROW}−{NARROW}{other.lower()}<br><sub>{facts.confidence}</sub>")
    lines = []
    for one in shown:
        digits, bold = (
            decimals(found.metric, one.now, one.raw),
            "**" if one.result == "worse" else "",
        )
        cells = [f"{bold}{cell(one.group)}{bold} <sub>{cell(one.slice)}</sub>"]
        cells += [result(one).replace(" ", NARROW), f"{one.rows:,}"]
        cells += [number(one.now, digits), number(one.base, digits), signed(one.raw, digits)]
        lines.append(Line(cells, one.gain(found.lower)))
    return drawn(head, "llrrrr", lines)


def result(one: Slice) -> str:
    """The result; where only the number of slices speaks against a difference, it says so."""
    if one.result == "unclear" and (one.raw.better or one.raw.worse):
        return "≈ maybe chance"
    return RESULTS.get(one.result, prose(one.result))


def gate(found: Comparison) -> Section | None:
    """Each rule with its limit and what was found."""
    if not found.rules:
        return None
    lines = [
        [
            *(prose(one or "–", 300, WORD_LIMIT) for one in (rule.name, rule.limit, rule.found)),
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
        text += f"; {names} block{'s' * (count['blocks'] == 1)}"
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


def slices(facts: Facts, found: Comparison) -> Section | None:
    """Every slice against base, the worst first."""
    if not found.slices:
        return None
    return Section("Slices", verdicts(found.slices), slice_body(facts, found, found.slices, "Base"))


def verdicts(known: list[Slice]) -> str:
    """How many slices were judged, and how."""
    many = {kind: sum(one.result == kind for one in known) for kind in RESULTS}
    text = f"{len(known) - many['small']} checked, {many['better']} better, {many['worse']} worse"
    return text + (f"; {many['small']} too small" if many["small"] else "")


def slice_body(facts: Facts, found: Comparison, known: list[Slice], other: str) -> str:
    ranked = by_gain(found, [one for one in known if one.result != "small"])
    shown, hidden = shorten(ranked, "`comparison.json`")
    small = [one for one in known if one.result == "small"]
    note = (
        f"{title(found.metric)} of each slice. Chance alone makes a few of many slices look better "
    )
    note += "or worse: the result is corrected for their number (Holm), the drawn interval is not."
    if small:
        rows = ", ".join(f"{slice_name(one)} ({one.rows:,} rows)" for one in small[:5])
        note += f" Too small to be judged: {rows}{' and more' if len(small) > 5 else ''}."
    body = slice_table(facts, shown, other) if shown else ""
    return "\n\n".join(filter(None, [body, hidden, f"<sub>{note}</sub>"]))


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


def simple(facts: Facts) -> Section:
    """Whether the model is worth its complexity."""
    text = alone.verdict(facts).partition(" ")[2]
    text = text[0].lower() + text[1:]
    return Section(
        "Against simple models", text, f"{alone.metrics(facts)}\n\n{alone.method(facts)}"
    )
