"""The gate as a pure function: what each rule does alone, and what it says."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import yaml
from conftest import ROOT, change, load

GATE: dict[str, Any] = {
    "margin": 0.01,
    "confidence": 0.95,
    "min_clusters": 10,
    "floors": {"roc_auc": 0.6, "log_loss": 0.7},
    "min_slice_rows": 200,
    "min_slice_class": 25,
    "min_slice_clusters": 10,
    "beat_linear": 0.01,
    "latency_ms": 100,
    "latency_times": 5,
    "size_mib": 50,
    "jump": 0.1,
}
REPORTED: dict[str, Any] = {
    "roc_auc": {"value": 0.75, "linear": {"gain": 0.05, "gain_low": 0.02}},
    "log_loss": {"value": 0.5},
}
SYSTEM = {"latency_median_ms": 20, "model_bytes": 900_000}


def paired(difference: float, error: float = 0.002, now: float = 0.75) -> Any:
    spread = load("metrics").Spread(error, 50)
    return load("paired").Paired(now, now - difference, difference, spread, 0.95)


def part(difference: float, p: float | None, result: str, group: str = "UA") -> Any:
    return load("paired").Slice("carrier", group, 900, 56, paired(difference), p, result)


def facts(**changes: Any) -> Any:
    """What passes every rule, but for some of it."""
    values: dict[str, Any] = {
        "metric": "roc_auc",
        "now": {"roc_auc": 0.75, "log_loss": 0.5},
        "over": {"base": paired(0.001), "production": paired(0.001)},
        "slices": {"base": [part(0.0, 1.0, "unclear")], "production": [part(0.0, 1.0, "unclear")]},
        "effective": 56.0,
        "reported": REPORTED,
        "system": SYSTEM,
        "base_system": SYSTEM,
    }
    return load("gate").Facts(**(values | changes))


def judge(measured: Any, **changes: Any) -> Any:
    return load("gate").judge(measured, load("params").Gate(**(GATE | changes)))


def test_nothing_wrong_is_equal_and_every_rule_passes() -> None:
    """Each rule says what it asked for and what it found."""
    found = judge(facts())
    assert found.verdict == "equal"
    assert {rule.result for rule in found.rules} == {"passes"}
    assert all(rule.limit and rule.found for rule in found.rules)
    assert "0.000 to" not in found.reasons[0] and "+0.001" in found.reasons[0]


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(0.02, "better"), (0.001, "equal"), (-0.005, "equal"), (-0.008, "worse"), (-0.05, "worse")],
)
def test_the_interval_and_the_margin_decide(difference: float, verdict: str) -> None:
    """Four thousandths is half an interval here; the margin is ten."""
    over = {"base": paired(difference), "production": paired(0.001)}
    assert judge(facts(over=over)).verdict == verdict


def test_an_undecided_comparison_never_passes() -> None:
    """Its first reason says so, whatever else is wrong."""
    found = judge(facts(over={"base": paired(0.0, error=0.02)}, system={}))
    assert found.verdict == "blocked"
    assert found.reasons[0].startswith("undecided: ROC AUC is 0.750, base has 0.750")
    assert len(found.reasons) > 1


def test_low_may_be_good() -> None:
    """A log loss that rises is worse."""
    over = {"base": paired(0.05, now=0.5)}
    found = judge(facts(metric="log_loss", over=over), beat_linear=None)
    assert found.verdict == "worse"
    over = {"base": paired(-0.05, now=0.5)}
    assert judge(facts(metric="log_loss", over=over), beat_linear=None).verdict == "better"


BLOCKS: dict[str, tuple[dict[str, Any], str]] = {
    "rows": ({"unusable": "now has no rows"}, "now has no rows"),
    "clusters": ({"effective": 9.4}, "undecided: the held-out rows have 9.4 effective clusters"),
    "base": (
        {"over": {"base": paired(-0.05), "production": paired(0.001)}},
        "worse: ROC AUC is 0.750, base has 0.800: −0.050 (−0.054 to −0.046)",
    ),
    "production": (
        {"over": {"base": paired(0.001), "production": paired(-0.05)}},
        "worse: ROC AUC is 0.750, production has 0.800: −0.050 (−0.054 to −0.046)",
    ),
    "slices": (
        {"slices": {"base": [part(-0.2, 0.001, "worse")], "production": []}},
        "1 slice is worse than base's: carrier 'UA' by −0.200",
    ),
    "slices of production": (
        {"slices": {"base": [], "production": [part(-0.2, 0.001, "worse")]}},
        "1 slice is worse than production's: carrier 'UA' by −0.200",
    ),
    "jump": (
        {"over": {"base": paired(0.2), "production": paired(0.001)}},
        "suspicious: ROC AUC gains +0.200 against base, more than 0.1 at once",
    ),
    "floor of log_loss": (
        {
            "now": {"roc_auc": 0.75, "log_loss": 0.8},
            "reported": REPORTED | {"log_loss": {"value": 0.8}},
        },
        "Log loss is 0.800, and gate.floors asks for at most 0.7",
    ),
    "linear model": (
        {"reported": REPORTED | {"roc_auc": {"value": 0.75, "linear": {"gain": 0.0}}}},
        "the gain in ROC AUC over the linear model is not measured",
    ),
    "metrics": (
        {"reported": REPORTED | {"log_loss": {"value": float("nan")}}},
        "reports/metrics.json has no finite value for log_loss",
    ),
    "latency": (
        {"system": SYSTEM | {"latency_median_ms": 101}, "base_system": {}},
        "latency is 101 ms, and the gate asks for at most 100 ms",
    ),
    "latency against base": (
        {"base_system": SYSTEM | {"latency_median_ms": 2}},
        "latency is 20 ms, 10 times as long as base's 2 ms",
    ),
    "size": (
        {"system": SYSTEM | {"model_bytes": 60 * 1024**2}},
        "size is 60 MiB, and the gate asks for at most 50 MiB",
    ),
}


@pytest.mark.parametrize("rule", BLOCKS)
def test_each_rule_blocks_alone(rule: str) -> None:
    """With its reason, and with what would unblock it."""
    changes, reason = BLOCKS[rule]
    found = judge(facts(**changes))
    assert found.verdict in ("worse", "blocked")
    assert [each.name for each in found.rules if each.result == "blocks"] == [rule]
    assert found.reasons[0].startswith(reason)
    assert next(each for each in found.rules if each.result == "blocks").unblock


def test_every_rule_is_seen_to_block() -> None:
    """The table above lacks none, but for the other floor."""
    names = {rule.name for rule in judge(facts()).rules}
    assert names - set(BLOCKS) == {"floor of roc_auc"}


@pytest.mark.parametrize("told", [None, {}, {"value": None}, {"value": "0.75"}, {"value": 0.76}])
def test_a_reported_metric_is_held_against_the_predictions(told: Any) -> None:
    """It is missing, no number, or not what they give."""
    found = judge(facts(reported=REPORTED | {"log_loss": told}))
    assert found.verdict == "blocked"
    assert "reports/metrics.json" in found.reasons[0]
    assert "log_loss" in found.reasons[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_no_number_blocks(value: float) -> None:
    """NaN and infinity compare with nothing."""
    found = judge(facts(now={"roc_auc": 0.75, "log_loss": value}, reported=None))
    assert found.verdict == "blocked"
    assert "Log loss of the new model is not defined" in found.reasons[0]


def test_what_is_not_asked_does_not_block() -> None:
    """null in params.yaml, and a command that has two files and no pipeline."""
    off = dict.fromkeys(("beat_linear", "latency_ms", "latency_times", "size_mib", "jump"))
    heavy = {"latency_median_ms": 1e6, "model_bytes": 1e12}
    over = {"base": paired(0.3)}
    found = judge(facts(over=over, system=heavy), **off)
    assert found.verdict == "better"
    bare = judge(facts(reported=None, system=None, base_system=None))
    assert bare.verdict == "equal"
    assert {rule.name for rule in bare.rules if rule.result == "not asked"} == {
        "linear model",
        "latency",
        "latency against base",
        "size",
    }


def test_a_first_model_has_no_baseline_and_its_floors_hold() -> None:
    """Few clusters do not stop it: there is nothing to compare."""
    first: dict[str, Any] = {"over": {}, "slices": {}, "base_system": None, "effective": 3.0}
    found = judge(facts(**first))
    assert found.verdict == "first"
    assert {rule.name for rule in found.rules if rule.result == "no baseline"} == {
        *("clusters", "base", "slices", "production", "slices of production", "jump"),
        "latency against base",
    }
    assert judge(facts(**first), floors={"roc_auc": 0.8}).verdict == "blocked"


def test_a_baseline_that_is_there_and_cannot_be_scored_blocks() -> None:
    """It is not a first model."""
    found = judge(facts(over={}, slices={}, obstacles={"base": "its lock file is gone"}))
    assert found.verdict == "blocked"
    assert found.reasons[0] == "base cannot be compared with: its lock file is gone"


def test_an_unchanged_model_is_asked_nothing() -> None:
    """A change of the README passes, though the gate became stricter meanwhile."""
    assert judge(facts(unchanged=True), floors={"roc_auc": 0.9}).verdict == "unchanged"


def test_a_clear_loss_is_the_first_reason() -> None:
    """Then what is undecided, then the rest."""
    over = {"base": paired(0.0, error=0.02), "production": paired(-0.05)}
    found = judge(facts(over=over, system={}))
    assert found.verdict == "worse"
    assert [reason.split()[0] for reason in found.reasons[:2]] == ["worse:", "undecided:"]


def test_many_bad_slices_are_counted() -> None:
    """Five are named; hostile names are cut and hold no line break."""
    bad = [part(-0.2, 0.001, "worse", f"n{i}\n" + "x" * 100) for i in range(8)]
    (reason,) = judge(facts(slices={"base": bad})).reasons
    assert "8 slices are worse" in reason and reason.endswith("and 3 more")
    assert "\n" not in reason and len(reason) < 600


def refusal(tmp_path: Any, key: str, value: Any, section: str = "gate") -> str:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values[section][key] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(load("errors").ProjectError) as error:
        load("params").load(tmp_path / "params.yaml")
    return str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("margin", -0.01),
        ("margin", float("nan")),
        ("margin", float("inf")),
        ("confidence", 1),
        ("min_clusters", 1),
        ("floors", {"elo": 1}),
        ("floors", None),
        ("min_slice_rows", 0),
        ("latency_ms", 0),
        ("latency_times", "five"),
        ("size_mib", -1),
        ("jump", 0),
        ("typo", 1),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(tmp_path: Any, key: str, value: Any) -> None:
    """In a sentence that names the key."""
    assert f"gate.{key}" in refusal(tmp_path, key, value)


@pytest.mark.parametrize(("key", "value"), [("latency_ms", 0), ("floors", {"elo": 1}), ("typo", 1)])
def test_a_promotion_that_makes_no_sense_is_refused(tmp_path: Any, key: str, value: Any) -> None:
    """As the gate itself, by its own name."""
    assert f"promotion.{key}" in refusal(tmp_path, key, value, "promotion")


def test_promotion_replaces_rules_of_the_gate() -> None:
    """What it names is its own; all else is the gate's."""
    params = load("params").load(ROOT / "params.yaml")
    asked = {**msgspec.to_builtins(params.gate), **params.promotion}
    assert msgspec.to_builtins(params.promotion_gate) == asked
    assert params.promotion_gate.latency_ms < params.gate.latency_ms


def test_a_gate_that_is_gone_is_refused(tmp_path: Any) -> None:
    """It is not taken for one that lets everything through."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    del values["gate"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(load("errors").ProjectError, match="gate is missing"):
        load("params").load(tmp_path / "params.yaml")


def test_the_gate_trains_nothing() -> None:
    """No stage depends on its section or its module."""
    stages = (ROOT / "dvc.yaml").read_text()
    assert "gate" not in stages and "compare" not in stages


HIGH = {
    "purpose": "Ranks applicants.",
    "owner": "acme",
    "risk": "high",
    "limits": [],
    "data_licence": "CC0-1.0",
    "oversight": "A recruiter decides.",
    "data_governance": "All applications of 2025, examined by sex and age.",
    "record_keeping": "Every score, for ten years.",
}


def card(**changes: str) -> Any:
    return load("params").convert(HIGH | changes, load("params").Card)


def dutiful(found: dict[str, Any], **changes: str) -> dict[str, Any]:
    """A comparison's outcome once the card was looked at."""
    params = load("params").load(ROOT / "params.yaml")
    changed = msgspec.structs.replace(params, card=card(**changes))
    told: dict[str, Any] = load("gitops.review").dutiful(changed, found)
    return told


@pytest.mark.parametrize(
    ("field", "article"), [("oversight", 14), ("data_governance", 10), ("record_keeping", 12)]
)
@pytest.mark.parametrize("verdict", ["better", "unchanged", "first", "worse"])
def test_a_high_risk_system_says_what_the_act_asks(verdict: str, field: str, article: int) -> None:
    """Or the gate blocks, with one sentence that names the field; no other reason is hidden."""
    judged = {"verdict": verdict, "reasons": ["told before"], "rules": []}
    found = dutiful(judged, **{field: " "})
    assert found["verdict"] == ("worse" if verdict == "worse" else "blocked")
    assert found["reasons"][:-1] == (["told before"] if verdict == "worse" else [])
    assert found["reasons"][-1].startswith(f"nothing is written in card.{field} of")
    assert f"Article {article} asks" in found["reasons"][-1]
    (rule,) = found["rules"]
    assert (rule["name"], rule["result"]) == ("card", "blocks") and "accept" not in rule["unblock"]
    assert load("gitops.review").unfilled(found)


def test_two_empty_fields_are_one_sentence() -> None:
    rule = load("gate").duties(card(oversight="", record_keeping=""))
    assert rule.reason.startswith(
        "nothing is written in card.oversight and card.record_keeping of "
    )


def test_a_card_that_is_filled_in_passes() -> None:
    """And other classes are not asked, nor is a model that goes back to production."""
    judged = {"verdict": "equal", "reasons": ["so it is"], "rules": []}
    found = dutiful(judged)
    assert found["verdict"] == "equal" and found["rules"][0]["result"] == "passes"
    assert not load("gitops.review").unfilled(found)
    empty = dict.fromkeys(("oversight", "data_governance", "record_keeping"), "")
    assert dutiful(judged, risk="limited", **empty) == judged
    back = judged | {"verdict": "rollback"}
    assert dutiful(back, **empty) == back


@pytest.mark.parametrize(
    ("then", "found", "source"),
    [
        ({**GATE, "margin": 0.02}, {"margin": 0.02}, "base"),
        ({"margin": 0.02, "jump": 0.3}, {"margin": 0.02, "jump": 0.3, "latency_ms": 100}, "base"),
        ({**GATE, "gone": 1, "margin": 0.02}, {"margin": 0.02}, "base"),
        (None, {"margin": 0.01}, "now"),
        ("loose", {"margin": 0.01}, "now"),
    ],
)
def test_the_base_branchs_gate_judges(
    params: Any, then: Any, found: dict[str, Any], source: str
) -> None:
    """A change that adds a key, or takes one away, alters no other."""
    base = SimpleNamespace(params=lambda: {"gate": then})
    changed = change(params, gate=GATE)
    gate, told = load("gitops.review").rules(changed, base)
    assert {key: getattr(gate, key) for key in found} == found
    assert told == source
