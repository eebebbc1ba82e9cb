"""The section of fairness: what the groups of a sensitive column get, and how far they differ."""

from typing import Any

from ..text import Section, cell, code, number, places, table, tag
from .facts import Facts
from .wording import small

RATES = {
    "selection_rate": "Called positive",
    "true_positive_rate": "Positives found",
    "mae": "MAE",
    "accuracy": "Accuracy",
}
GAPS = {
    "demographic_parity_difference": "Demographic parity, difference",
    "demographic_parity_ratio": "Demographic parity, ratio",
    "equal_opportunity_difference": "Equal opportunity, difference",
    "mae_difference": "MAE, difference",
    "accuracy_difference": "Accuracy, difference",
}
MEANING = {
    "binary": "Called positive: the share of the rows whose score reaches the threshold of {}; "
    "demographic parity compares that. Positives found: the same share of the rows that are "
    "positive; equal opportunity compares that (Hardt et al., 2016). ",
    "regression": "MAE: the mean absolute error. ",
    "multiclass": "Accuracy: the share of the rows whose likeliest class is theirs. ",
}

Measured = dict[str, Any]


def fairness(facts: Facts) -> list[Section]:
    """One section; none where no column is declared as sensitive, or nothing was measured."""
    found: list[Measured] = facts.metrics.get("fairness", [])
    if not found:
        return []
    bodies = [part for one in found for part in (groups(facts, one), gaps(facts, one))]
    text = "\n\n".join([*filter(None, bodies), note(facts)])
    return [Section("Fairness", "; ".join(widest(facts, one) for one in found[:3]), text)]


def widest(facts: Facts, one: Measured) -> str:
    """The first gap of a column, in HTML."""
    first = one["gaps"][0]
    if first["value"] is None:
        return f"{tag(one['column'])} not judged"
    told = GAPS[first["name"]].lower().replace("mae", "MAE")
    return f"{tag(one['column'])} {told} {number(first['value'], digits(facts, one))}"


def digits(facts: Facts, one: Measured) -> int:
    """Three decimals of a share; three digits of an error in units."""
    if facts.params.task.kind != "regression":
        return 3
    return max((places(each["mae"]["value"]) for each in one["groups"]), default=3)


def groups(facts: Facts, one: Measured) -> str:
    """The rates of each group, on how many rows they stand, and the groups that are too small."""
    rates = [name for name in RATES if one["groups"] and name in one["groups"][0]]
    head, align, count = [f"Group <sub>{cell(one['column'])}</sub>"], "l", digits(facts, one)
    for name in rates:
        head += ["n", f"{RATES[name]}<br><sub>{facts.confidence}</sub>"]
        align += "rr"
    lines = [
        [cell(each["group"]), *(text for name in rates for text in rate(each[name], count))]
        for each in one["groups"]
    ]
    return "\n\n".join(filter(None, [table(head, align, lines) if lines else "", few(facts, one)]))


def rate(found: Measured, count: int) -> list[str]:
    """How many rows, and the rate with its interval."""
    value = number(found["value"], count) if found["value"] is not None else "too few rows"
    return [f"{found['rows']:,}", f"{value}{small(found['low'], found['high'], count)}"]


def few(facts: Facts, one: Measured) -> str:
    """What is counted and not judged."""
    left, least = one["small"], facts.params.evaluate.min_slice_rows
    if not left["groups"]:
        return ""
    many = "1 group" if left["groups"] == 1 else f"{left['groups']:,} groups"
    return (
        f"Counted, not judged: {many} of {code(one['column'])} under {least:,} rows, "
        f"{left['rows']:,} rows in all."
    )


def gaps(facts: Facts, one: Measured) -> str:
    """Between which groups the gaps are, and how sure they are."""
    count = digits(facts, one)
    lines = [
        [
            GAPS[each["name"]],
            f"{number(each['value'], 3 if each['name'].endswith('ratio') else count)}"
            f"{small(each['low'], each['high'], count)}",
            f"{cell(each['highest'])} over {cell(each['lowest'])}",
        ]
        for each in one["gaps"]
        if each["highest"] is not None
    ]
    head = [f"Gap <sub>{cell(one['column'])}</sub>", f"Size<br><sub>{facts.confidence}</sub>"]
    head.append("Between")
    return table(head, "lrl", lines) if lines else "Fewer than two groups can be judged."


def note(facts: Facts) -> str:
    task = facts.params.task
    text = MEANING[task.kind].format(f"{task.threshold:g}")
    text += "n: the rows on which a rate stands. A gap is between the largest and the smallest "
    text += "rate; its interval does not know that these two were chosen, so of many groups some "
    text += "gap is always there. A gap of 0, or a ratio of 1, means alike."
    return f"<sub>{text}</sub>"
