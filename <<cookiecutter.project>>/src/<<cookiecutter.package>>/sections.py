"""The closed sections of a report, each with its answer in the title, and its last line."""

from datetime import timedelta
from typing import Any

from .charts import bar, chart, thin
from .facts import Facts, Row
from .slices import slices
from .text import NARROW, Section, code, number, percent, places, span, table, tag
from .wording import IN_UNITS, lower, title

FEATURES, BARS = 20, 20
"""The most features, and the most bars of a histogram, that a section shows."""

Bin = tuple[float, float, int]


def sections(facts: Facts) -> list[Section]:
    """All sections, the most wanted first."""
    found = [slices(facts), features(facts), data(facts), cost(facts)]
    found += [residuals(facts), calibration(facts), provenance(facts)]
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


def data(facts: Facts) -> Section:
    """What the model was trained and judged on."""
    trained = facts.data["rows"] - facts.held
    groups = f" in {facts.clusters}" if facts.params.task.cluster else ""
    lines = [
        ["Rows that keep the contract", f"{facts.data['rows']:,}"],
        ["Rows to train on", f"{trained:,}"],
        ["Held-out rows", f"{facts.held:,}{groups}: {side(facts)}"],
        ["Columns", f"{facts.data['columns']:,}"],
        ["Files", f"{facts.data['files']:,}"],
    ]
    if facts.params.ingest.until:
        lines.append(["Declared to reach until", f"{facts.params.ingest.until}"])
    answer = f"{trained:,} rows to train on, {facts.held:,} held out"
    return Section("Data", answer, table(["Data", "Value"], "ll", lines))


def side(facts: Facts) -> str:
    """Which rows are held out, by the rule of `split`."""
    split, until = facts.params.split, facts.params.ingest.until
    if until:
        first = until - timedelta(weeks=split.holdout_weeks) + timedelta(days=1)
        return f"the last {split.holdout_weeks} weeks, {first} to {until}"
    group = code(split.group or facts.params.task.key)
    return f"{percent(split.holdout_share)} by a stable hash of {group}"


def cost(facts: Facts) -> Section:
    """Time, memory and size. They differ between equal runs, so they may be another machine's."""
    if facts.system is None:
        text = (
            "The model came out of the run cache or the store, and was not trained on this machine."
        )
        return Section("Cost", "not measured here", text)
    found = facts.system
    figures = {
        "Training": seconds(found["fit_seconds"]),
        "Training, with the simple models and the measurements": seconds(found["train_seconds"]),
        "Peak memory": size(found["peak_memory_bytes"]),
        "GPU": gpu(found["gpu"]),
        "Model file": size(found["model_bytes"]),
        "Prediction, one row, median": f"{milliseconds(found['latency_median_ms'])}",
        "Prediction, one row, 95th percentile": f"{milliseconds(found['latency_p95_ms'])}",
        "Prediction, all held-out rows": f"{found['batch_rows_per_second']:,} rows a second",
    }
    body = table(["Cost", "Value"], "lr", [[name, text] for name, text in figures.items()])
    if found.get("model") != facts.inputs["Model"][1]:
        note = "These figures are another model's: this one came out of the run cache or the store."
        return Section("Cost", "not measured here; another model's figures", f"{note}\n\n{body}")
    answer = f"{figures['Training']} to train, {figures['Peak memory']}, "
    answer += f"{figures['Prediction, one row, median']} for one prediction"
    return Section("Cost", answer, body)


def seconds(value: float) -> str:
    return f"{number(value, places(value, 2))}{NARROW}s"


def milliseconds(value: float) -> str:
    return f"{number(value, places(value, 2))}{NARROW}ms"


def size(count: int) -> str:
    return f"{number(count / 1e6, places(count / 1e6, 2))}{NARROW}MB"


def gpu(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not used"
    used = f"{number(found['utilization_percent'], 0)}{NARROW}% used"
    return f"{code(found['name'])}, {used}, {found['peak_memory_mib']:,}{NARROW}MiB"


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
    factor = 100 if share else 1
    points = [(factor * row["predicted"], factor * row["observed"]) for row in thin(found)]
    note = (
        "Blue: observed. Grey: perfect. Where blue is above grey, the model predicted too little."
    )
    if facts.params.task.kind == "multiclass":
        note += " Of each row it is the likeliest class that counts."
    return Section("Calibration", averages(found, share), f"{note}\n\n{chart(points, share)}")


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


def provenance(facts: Facts) -> Section:
    """Where each part comes from, by the hashes of `dvc.lock`."""
    task, options = facts.params.task, facts.params.train
    estimator = options.estimator.rpartition(".")[2]
    what = f"{code(estimator)} predicts {code(task.target)} from {len(task.features)} features"
    lines = [["Commit", facts.commit], ["Estimator", what], ["Parameters", "`params.yaml`"]]
    for name, (path, digest) in facts.inputs.items():
        lines.append([name, f"{code(path)} {code(digest[:8])}" if path else "not in dvc.lock"])
    answer = f"{facts.commit.replace('`', '')}, {tag(estimator)}"
    note = "<sub>Hashes are the first eight digits of the MD5 in `dvc.lock`.</sub>"
    return Section("Provenance", answer, f"{table(['Origin', 'Value'], 'll', lines)}\n\n{note}")


def origin(facts: Facts) -> str:
    """The report's last line."""
    hashes = [f"{name.lower()} {code(md5[:8])}" for name, (_, md5) in facts.inputs.items() if md5]
    return f"<sub>{' · '.join([facts.commit, *hashes])}</sub>"
