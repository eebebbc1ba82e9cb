"""The slices of a comparison: which got better or worse, the worst first."""

from ..text import NARROW, Section, cell, code, number, prose
from .comparison import Comparison, Slice
from .facts import Facts
from .slices import shorten
from .tables import Line, drawn, signed
from .wording import RESULTS, decimals, title


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


def least(ranked: list[Slice]) -> str:
    """How small a difference the slices can show, from the sharpest to the dullest."""
    known = sorted(one.detectable for one in ranked if one.detectable is not None)
    if not known:
        return ""
    ends = f"{number(known[0])} to {number(known[-1])}" if len(known) > 1 else number(known[0])
    return f" A true difference of {ends}, by slice, shows four times in five."


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
