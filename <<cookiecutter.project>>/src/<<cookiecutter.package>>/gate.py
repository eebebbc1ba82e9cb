"""The gate: one rule from what was measured to a verdict with its reasons.

A new model must not be worse than the base branch's, nor than production's, by as much as the
margin: the interval of the difference must exclude such a loss (a test of non-inferiority). Held
against both, small losses cannot add up. What the rows cannot decide is red, not green.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeGuard

from .metrics import LOWER_IS_BETTER
from .paired import Paired, Slice
from .params import DUTIES, Card, Gate
from .reporting.wording import title
from .text import clean, number, places, short

Verdict = Literal["better", "equal", "first", "unchanged", "worse", "blocked", "rollback"]
GREEN = ("better", "equal", "first", "unchanged", "rollback")
MIB = 1024**2
NAMED = 5
"""The most slices that a sentence names."""

SKIP: Literal["not asked"] = "not asked"
ACCEPT = "or a maintainer accepts this model with the label accept-model"


class Rule(NamedTuple):
    """One rule of the gate; `reason` is a sentence where it blocks."""

    name: str
    limit: str
    found: str
    result: Literal["passes", "blocks", "no baseline", "not asked"]
    unblock: str = ""
    reason: str = ""

    def facts(self) -> dict[str, str]:
        return {name: value for name, value in self._asdict().items() if name != "reason"}


class Judgement(NamedTuple):
    verdict: Verdict
    reasons: list[str]
    rules: list[Rule]


@dataclass(frozen=True)
class Facts:
    """What was measured.

    Args:
        metric: the headline's name.
        now: each metric of the new model; NaN where the rows do not give it.
        over: the headline against each baseline: base, production.
        slices: the slices against each baseline.
        silent: metrics without influence function: they are shown and decide nothing.
        effective: clusters of equal size that carry as much as those of the held-out rows.
        reported: reports/metrics.json; None where there is no pipeline, {} where it is missing.
        system: reports/system.json, in the same way; so is the base's.
        unchanged: the model and the held-out rows are those of the base.
        unusable: why the tables cannot be judged.
        obstacles: why a baseline that exists, base or production, cannot be compared with.
    """

    metric: str
    now: dict[str, float] = field(default_factory=dict)
    over: dict[str, Paired] = field(default_factory=dict)
    slices: dict[str, list[Slice]] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    effective: float = 0.0
    reported: dict[str, Any] | None = None
    system: dict[str, Any] | None = None
    base_system: dict[str, Any] | None = None
    unchanged: bool = False
    unusable: str | None = None
    obstacles: dict[str, str] = field(default_factory=dict)

    @property
    def lower(self) -> bool:
        return self.metric in LOWER_IS_BETTER


def judge(facts: Facts, gate: Gate) -> Judgement:
    """The verdict, its reasons (the decisive one first), and each rule with what it found."""
    rules = [usable(facts)]
    if facts.unusable is None and facts.unchanged:
        return Judgement("unchanged", [unchanged(facts)], rules)
    if facts.unusable is None:
        rules += judged(facts, gate)
    if blocking := [rule for rule in rules if rule.result == "blocks"]:
        blocking.sort(key=urgency)
        verdict: Verdict = "worse" if urgency(blocking[0]) == 0 else "blocked"
        return Judgement(verdict, [rule.reason for rule in blocking], rules)
    if not facts.over:
        return Judgement("first", [first(facts)], rules)
    leader = next(iter(facts.over.values()))
    verdict = "better" if leader.gain(facts.lower)[1] > 0 else "equal"
    return Judgement(verdict, [told(facts, name, gate) for name in facts.over], rules)


def judged(facts: Facts, gate: Gate) -> list[Rule]:
    against = [rule for name in ("base", "production") for rule in versus(facts, name, gate)]
    return [
        finite(facts),
        clusters(facts, gate),
        *against,
        jump(facts, gate),
        *floors(facts, gate),
        linear(facts, gate),
        *costs(facts, gate),
    ]


def urgency(rule: Rule) -> int:
    """The order of the reasons: a clear loss, an open question, then the others as they come."""
    if rule.reason.startswith("worse"):
        return 0
    return 1 if rule.reason.startswith("undecided") else 2


def usable(facts: Facts) -> Rule:
    limit = "one finite score for each held-out row"
    if facts.unusable is None:
        return Rule("rows", limit, "so it is", "passes")
    unblock = "make repro writes the predictions anew"
    return Rule("rows", limit, facts.unusable, "blocks", unblock, facts.unusable)


def finite(facts: Facts) -> Rule:
    """Each metric is a number, and the reported one is what the predictions give."""
    limit, unblock = (
        "every metric is a number that the predictions give",
        "make repro measures them anew",
    )
    wrong = next(odd_metrics(facts), None)
    if wrong is None:
        return Rule("metrics", limit, "so it is", "passes")
    return Rule("metrics", limit, wrong, "blocks", unblock, wrong)


def odd_metrics(facts: Facts) -> Iterator[str]:
    if facts.metric in facts.silent:
        yield (
            f"{title(facts.metric)} has no influence function, so it has no interval and cannot "
            "be the headline (task.metric)"
        )
    for name, value in facts.now.items():
        if not is_number(value):
            yield f"{title(name)} of the new model is not defined on these rows"
            continue
        if facts.reported is None:
            continue
        entry = facts.reported.get(name)
        told = entry.get("value") if isinstance(entry, dict) else None
        if not is_number(told):
            yield f"reports/metrics.json has no finite value for {name}"
        elif abs(told - value) > 1e-6 * max(abs(value), 1e-6):
            yield (
                f"reports/metrics.json says that {name} is {told:g}, and the predictions give "
                f"{value:g}"
            )


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)


def clusters(facts: Facts, gate: Gate) -> Rule:
    limit = f"at least {gate.min_clusters} effective clusters"
    found = f"{facts.effective:.1f}"
    if not facts.over:
        return Rule("clusters", limit, found, "no baseline")
    if facts.effective >= gate.min_clusters:
        return Rule("clusters", limit, found, "passes")
    reason = (
        f"undecided: the held-out rows have {found} effective clusters, and fewer than "
        f"{gate.min_clusters} cannot tell a difference from luck"
    )
    return Rule("clusters", limit, found, "blocks", f"hold out more clusters, {ACCEPT}", reason)


def versus(facts: Facts, name: str, gate: Gate) -> list[Rule]:
    """The headline and the slices against one baseline."""
    return [headline(facts, name, gate), worse_slices(facts, name, gate)]


def headline(facts: Facts, name: str, gate: Gate) -> Rule:
    limit = f"{title(facts.metric)} loses less than {short(gate.margin)} against {name}"
    if obstacle := facts.obstacles.get(name):
        unblock = f"make {name} comparable again, {ACCEPT}"
        reason = f"{name} cannot be compared with: {obstacle}"
        return Rule(name, limit, obstacle, "blocks", unblock, reason)
    if name not in facts.over:
        return Rule(name, limit, "none", "no baseline")
    paired, found = facts.over[name], told(facts, name, gate)
    gain, low, high = paired.gain(facts.lower)
    if not math.isfinite(gain):
        reason = f"{title(facts.metric)} of {name} is not defined on these rows"
        return Rule(name, limit, "not defined", "blocks", f"mend {name}, {ACCEPT}", reason)
    if facts.effective < gate.min_clusters or facts.metric in facts.silent:
        return Rule(name, limit, found, SKIP)
    if low >= -gate.margin:
        return Rule(name, limit, found, "passes")
    if high < 0:
        return Rule(name, limit, found, "blocks", f"a better model, {ACCEPT}", f"worse: {found}")
    seen = number(paired.detectable, digits(paired, gate))
    reason = (
        f"undecided: {found}, so a loss of {short(gate.margin)} is not ruled out; these rows "
        f"show differences from {seen} on"
    )
    return Rule(name, limit, found, "blocks", f"hold out more clusters, {ACCEPT}", reason)


def told(facts: Facts, name: str, gate: Gate) -> str:
    """A difference in words, in the metric's own direction."""
    paired = facts.over[name]
    shown = digits(paired, gate)
    now, base = number(paired.now, shown), number(paired.base, shown)
    found = f"{title(facts.metric)} is {now}, {name} has {base}"
    if not math.isfinite(paired.low) or not math.isfinite(paired.high):
        return found
    ends = f"{number(paired.low, shown, sign=True)} to {number(paired.high, shown, sign=True)}"
    found += f": {number(paired.difference, shown, sign=True)} ({ends})"
    if -gate.margin <= paired.gain(facts.lower)[1] and paired.gain(facts.lower)[2] < 0:
        found += ", lower within the margin" if not facts.lower else ", higher within the margin"
    return found


def digits(paired: Paired, gate: Gate) -> int:
    return max(places(paired.base, 3), places(gate.margin, 2))


def worse_slices(facts: Facts, name: str, gate: Gate) -> Rule:
    rule = "slices" if name == "base" else f"slices of {name}"
    limit = f"no slice clearly loses more than {short(gate.margin)} against {name}"
    if name not in facts.slices:
        return Rule(rule, limit, "none", "no baseline")
    counted = [each for each in facts.slices[name] if each.result != "small"]
    if not counted:
        return Rule(rule, limit, "no slice is large enough to be judged", SKIP)
    if facts.effective < gate.min_clusters:
        return Rule(rule, limit, "too few clusters", SKIP)
    worse = [each for each in counted if each.result == "worse"]
    if not worse:
        return Rule(rule, limit, f"none of {len(counted):,}", "passes")
    worse.sort(key=lambda each: each.p or 0)
    some = ", ".join(slice_told(each, gate) for each in worse[:NAMED])
    more = f" and {len(worse) - NAMED:,} more" if len(worse) > NAMED else ""
    found = f"{len(worse):,} of {len(counted):,}: {some}{more}"
    many = "1 slice is" if len(worse) == 1 else f"{len(worse):,} slices are"
    reason = f"{many} worse than {name}'s: {some}{more}"
    return Rule(rule, limit, found, "blocks", f"a model that loses less there, {ACCEPT}", reason)


def slice_told(each: Slice, gate: Gate) -> str:
    change = number(each.paired.difference, digits(each.paired, gate), sign=True)
    return f"{clean(each.column)} {clean(each.group)!r} by {change}"


def jump(facts: Facts, gate: Gate) -> Rule:
    """A gain too good to be true."""
    if gate.jump is None:
        return Rule("jump", "none", "", SKIP)
    limit = f"a gain of at most {short(gate.jump)} against base"
    if "base" not in facts.over:
        return Rule("jump", limit, "none", "no baseline")
    paired = facts.over["base"]
    gain = paired.gain(facts.lower)[0]
    found = number(gain, digits(paired, gate), sign=True)
    if not gain > gate.jump:
        return Rule("jump", limit, found, "passes")
    reason = (
        f"suspicious: {title(facts.metric)} gains {found} against base, more than "
        f"{short(gate.jump)} at once: look for a leak, a feature that holds the truth or is known "
        "only later"
    )
    return Rule("jump", limit, found, "blocks", f"take the leak out, {ACCEPT}", reason)


def floors(facts: Facts, gate: Gate) -> list[Rule]:
    return [floor(facts, name, limit) for name, limit in sorted(gate.floors.items())]


def floor(facts: Facts, name: str, worst: float) -> Rule:
    lower = name in LOWER_IS_BETTER
    rule, limit = f"floor of {name}", f"{'at most' if lower else 'at least'} {short(worst)}"
    value = facts.now.get(name, math.nan)
    found = number(value, max(places(worst, 3), 3 if abs(worst) < 1 else 0))
    if name in facts.silent:
        return Rule(rule, limit, found, SKIP)
    if is_number(value) and (value <= worst if lower else value >= worst):
        return Rule(rule, limit, found, "passes")
    reason = f"{title(name)} is {found}, and gate.floors asks for {limit}"
    return Rule(rule, limit, found, "blocks", f"a better model, {ACCEPT}", reason)


def linear(facts: Facts, gate: Gate) -> Rule:
    """The model must be worth more than a linear one."""
    if gate.beat_linear is None or facts.reported is None:
        return Rule("linear model", "none", "", SKIP)
    limit = f"{title(facts.metric)} beats the linear model by more than {short(gate.beat_linear)}"
    entry = facts.reported.get(facts.metric)
    own = entry.get("linear") if isinstance(entry, dict) else None
    gain, low = (own.get(key) if isinstance(own, dict) else None for key in ("gain", "gain_low"))
    known = is_number(gain) and is_number(low)
    found = f"{gain:+.3g} (from {low:+.3g} on)" if known else "not measured"
    if is_number(low) and low > gate.beat_linear:
        return Rule("linear model", limit, found, "passes")
    reason = (
        f"the gain in {title(facts.metric)} over the linear model is {found}, and gate.beat_linear "
        f"asks for more than {short(gate.beat_linear)}"
    )
    return Rule("linear model", limit, found, "blocks", f"take the linear one, {ACCEPT}", reason)


def costs(facts: Facts, gate: Gate) -> list[Rule]:
    return [
        cost(facts, "latency", "latency_median_ms", gate.latency_ms, 1, "ms"),
        slower(facts, gate),
        cost(facts, "size", "model_bytes", gate.size_mib, MIB, "MiB"),
    ]


def cost(facts: Facts, rule: str, name: str, most: float | None, unit: float, symbol: str) -> Rule:
    """A budget; the figure is in units of it."""
    if most is None or facts.system is None:
        return Rule(rule, "none" if most is None else f"at most {short(most)} {symbol}", "", SKIP)
    limit, value = f"at most {short(most)} {symbol}", figure(facts.system, name)
    if value is None:
        reason = f"{rule} is not measured: reports/system.json has no {name}"
        return Rule(rule, limit, "not measured", "blocks", "train where it is measured", reason)
    found = f"{value / unit:.3g} {symbol}"
    if value <= most * unit:
        return Rule(rule, limit, found, "passes")
    reason = f"{rule} is {found}, and the gate asks for {limit}"
    return Rule(rule, limit, found, "blocks", f"a lighter model, {ACCEPT}", reason)


def slower(facts: Facts, gate: Gate) -> Rule:
    """How many times as long as the base's one prediction takes."""
    rule, times = "latency against base", gate.latency_times
    if times is None or facts.system is None:
        return Rule(rule, "none" if times is None else f"at most {short(times)} times", "", SKIP)
    limit = f"at most {short(times)} times"
    now, base = (figure(each, "latency_median_ms") for each in (facts.system, facts.base_system))
    if now is None or not base:
        return Rule(rule, limit, "none", "no baseline")
    found = f"{now / base:.3g} times"
    if now <= times * base:
        return Rule(rule, limit, found, "passes")
    reason = (
        f"latency is {now:.3g} ms, {found} as long as base's {base:.3g} ms, and the gate asks for "
        f"{limit}"
    )
    return Rule(rule, limit, found, "blocks", f"a lighter model, {ACCEPT}", reason)


def duties(card: Card) -> Rule:
    """What the EU AI Act asks of a high-risk system is written down: no label accepts less."""
    limit = "a high-risk system says what the EU AI Act asks"
    if card.risk != "high":
        return Rule("card", limit, f"the class is {card.risk}", SKIP)
    empty = [name for name in DUTIES if not getattr(card, name).strip()]
    if not empty:
        return Rule("card", limit, "so it does", "passes")
    names = " and ".join(f"card.{name}" for name in empty)
    asked = "; ".join(f"Article {DUTIES[name][0]} asks {DUTIES[name][1]}" for name in empty)
    reason = f"nothing is written in {names} of params.yaml, and of a system of the class high "
    reason += f"the EU AI Act wants to know it ({asked})"
    return Rule("card", limit, f"{names}: empty", "blocks", "write it into params.yaml", reason)


def figure(system: dict[str, Any] | None, name: str) -> float | None:
    value = (system or {}).get(name)
    return float(value) if is_number(value) else None


def first(facts: Facts) -> str:
    return f"{headline_value(facts)}, and there is no model to compare it with"


def unchanged(facts: Facts) -> str:
    return f"{headline_value(facts)}: the model and the held-out rows are those of base"


def headline_value(facts: Facts) -> str:
    value = facts.now[facts.metric]
    return f"{title(facts.metric)} is {number(value, places(value, 3))}"
