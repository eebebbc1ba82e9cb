"""The closed sections of a report, each with its answer in the title."""

from ..text import NARROW, Section, code, number, percent, places, span, table, tag
from . import compared, purpose
from .charts import bar, chart, thin
from .compared import gate
from .cost import cost
from .facts import Facts, Row
from .provenance import provenance
from .sides import data
from .slices import slices
from .wording import IN_UNITS, lower, title

FEATURES, BARS = 20, 20
"""The most features, and the most bars of a histogram, that a section shows."""

Bin = tuple[float, float, int]


def sections(facts: Facts) -> list[Section]:
    """All sections, the most wanted first."""
    comparison = facts.comparison
    if comparison is not None and comparison.verdict == "unchanged":
        return []
    if comparison is None or comparison.verdict == "first":
        found = [gate(comparison) if comparison else None, slices(facts)]
    else:
        found = compared.sections(facts, comparison)
    found += [features(facts), data(facts), cost(facts)]
    found += [residuals(facts), calibration(facts), purpose.section(facts), provenance(facts)]
    return [section for section in found if section is not None]


def features(facts: Facts) -> Section | None:
    """Permutation importance, as bars."""
    known = [row for row in facts.plots["importance"] if row["loss"] is not None]
    found = sorted(known, key=lambda row: -row["loss"])
    if not found:
        return None
    idle = sum(row["loss"] <= row["spread"] for row in found)
    answer = f"{tag(found[0]['feature'])} counts most of {len(found):,}"
    answer += f"; {idle:,} without a clear effect" if idle else ""
    most, name = max(found[0]["loss"], 0) or 1, title(facts.headline)
    digits = places(most) if facts.headline in IN_UNITS else 3
    head = ["Feature", f"{name} lost when shuffled", "Loss"]
    if lower(facts.headline):
        head[1:] = [f"{name} added when shuffled", "Rise"]
    lines = [
        [code(row["feature"]), bar(row["loss"] / most), spread(row, digits)]
        for row in found[:FEATURES]
    ]
    parts = [table(head, "llr", lines), others(found, digits), importance_note(facts)]
    return Section("Features", answer, "\n\n".join(filter(None, parts)))


def spread(row: Row, digits: int) -> str:
    deviation = number(row["spread"], digits)
    return f"{number(row['loss'], digits)} <sub>±{NARROW}{deviation}</sub>"


def others(found: list[Row], digits: int) -> str:
    rest = found[FEATURES:]
    return f"The other {len(rest)}: at most {number(rest[0]['loss'], digits)}." if rest else ""


def importance_note(facts: Facts) -> str:
    options = facts.params.train
    count = min(options.importance_rows, facts.held)
    text = f"Mean ± standard deviation of {options.importance_repeats} shuffles of each feature on "
    text += f"{count:,} held-out rows. A feature whose twin stays unshuffled looks idle."
    return f"<sub>{text}</sub>"


def residuals(facts: Facts) -> Section | None:
    """The histogram of truth less prediction."""
    found = facts.plots.get("residuals", [])
    if len(found) < 2:
        return None
    width = found[1]["residual"] - found[0]["residual"]
    middles = [(row["residual"], int(row["rows"])) for row in found]
    bins = merge([(m - width / 2, m + width / 2, count) for m, count in middles])
    digits = places(max(abs(bins[0][0]), abs(bins[-1][1])))
    most = max(count for *_, count in bins)
    lines = [[span(a, b, digits), bar(count / most), f"{count:,}"] for a, b, count in bins]
    low, high = (number(end, digits, sign=True) for end in central(bins))
    note = "<sub>Truth less prediction: above 0 the model predicted too little. The first and the "
    note += "last bar also hold the 1 % of the rows that lie beyond them.</sub>"
    body = table(["Truth − prediction", "Held-out rows", "Rows"], "rlr", lines)
    return Section("Residuals", f"at least 9 in 10 from {low} to {high}", f"{body}\n\n{note}")


def merge(bins: list[Bin]) -> list[Bin]:
    """Neighbours together, until there are few enough bars."""
    size = -(-len(bins) // BARS)
    groups = [bins[start : start + size] for start in range(0, len(bins), size)]
    return [(group[0][0], group[-1][1], sum(count for *_, count in group)) for group in groups]


def central(bins: list[Bin]) -> tuple[float, float]:
    """Where the bins end that are left when at most 5 % of the rows are cut off at either side."""
    return trim(bins)[0], trim(bins[::-1])[1]


def trim(bins: list[Bin]) -> Bin:
    """The first bin up to whose end more than 5 % of the rows lie."""
    total, seen = sum(count for *_, count in bins), 0
    for one in bins:
        seen += one[2]
        if seen > total / 20:
            break
    return one


def calibration(facts: Facts) -> Section | None:
    """What was predicted on average against what happened, in bins of equally many rows."""
    found = facts.plots["calibration"]
    if not found:
        return None
    share = facts.params.task.kind != "regression"
    shown, base = thin(found), bins(facts)
    lines = {"now" if base else "observed": [row["observed"] for row in shown]}
    lines["perfect"] = [row["predicted"] for row in shown]
    if base:
        lines["base"] = [between(base, place) for place in lines["perfect"]]
    if share:
        lines = {name: [100 * value for value in line] for name, line in lines.items()}
    note = (
        "Blue: observed. Grey: perfect. Where blue is above grey, the model predicted too little."
    )
    if facts.params.task.kind == "multiclass":
        note += " Of each row it is the likeliest class that counts."
    if base:
        note = f"{note} Orange: observed of base, drawn between its own bins."
    return Section("Calibration", averages(found, share), f"{note}\n\n{chart(lines, share)}")


def bins(facts: Facts) -> list[dict[str, float]]:
    """Base's calibration, where the comparison has it."""
    base = facts.comparison.base if facts.comparison else None
    return sorted(base.calibration if base else [], key=lambda row: row["predicted"])


def between(found: list[dict[str, float]], place: float) -> float:
    """What would be observed at a prediction: it is off by as much as the bins around it."""
    off = [row["observed"] - row["predicted"] for row in found]
    for i, row in enumerate(found):
        if row["predicted"] >= place:
            left = found[max(i - 1, 0)]["predicted"]
            width = row["predicted"] - left
            share = (place - left) / width if width else 1
            return place + off[max(i - 1, 0)] * (1 - share) + off[i] * share
    return place + off[-1]


def averages(found: list[Row], share: bool) -> str:
    """The mean prediction and the mean truth, over all bins."""
    total = sum(row["rows"] for row in found)
    means = [sum(row[k] * row["rows"] for row in found) / total for k in ("predicted", "observed")]
    most = max(map(abs, means))
    if share:
        texts = [percent(mean, max(places(100 * most), 1)) for mean in means]
    else:
        texts = [number(mean, places(most)) for mean in means]
    return f"{texts[0]} predicted on average, {texts[1]} observed"
