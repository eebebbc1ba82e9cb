"""What a model is, what it is for, and who let it through: the parts that a model card is about."""

from datetime import timedelta
from pathlib import Path

from ..params import DUTIES
from ..text import Section, clean, code, prose, table, tag
from .facts import Facts
from .sides import outside
from .versus import moment, sentence

ACT = "the EU AI Act, Regulation (EU) 2024/1689"
DUTY = {
    "oversight": "Human oversight",
    "data_governance": "Data governance",
    "record_keeping": "Record-keeping",
}
LIBRARIES = ("scikit-learn", "xgboost", "numpy", "polars", "skops")
"""Those of the environment that a card names."""


def section(facts: Facts) -> Section | None:
    """The card, closed, in the report of a pull request to `release`."""
    if facts.comparison is None or facts.comparison.target != "release":
        return None
    parts = [purpose(facts), identity(facts), use(facts), limits(facts), acceptance(facts)]
    answer = f"predicts {tag(facts.params.task.target)}"
    return Section("Model card", answer, "\n\n".join(part for part in parts if part))


def purpose(facts: Facts) -> str:
    """What people say of it in `params.yaml`: what for, whose, and how much is at stake."""
    card = facts.params.card
    lines = [
        ["Owner", code(card.owner)],
        ["Risk class", f"**{card.risk}**, under {ACT}"],
        *(
            [f"{DUTY[name]} <sub>Article {article}</sub>", prose(getattr(card, name), 2000)]
            for name, (article, _) in DUTIES.items()
            if getattr(card, name).strip()
        ),
    ]
    said = table(["Responsibility", "As `params.yaml` says"], "ll", lines)
    return f"{sentence(prose(card.purpose, 2000))}\n\n{said}"


def identity(facts: Facts) -> str:
    """The model by its hashes, the data by their window, and the environment by its versions."""
    rows = facts.data.get("rows")
    trained = f"{rows - facts.held:,} rows" if isinstance(rows, int) else "rows that are not known"
    lines = [
        ["Estimator", code(facts.params.train.estimator, 120)],
        ["Commit", facts.commit],
        *([name, code(digest or "none")] for name, (_, digest) in facts.inputs.items()),
        ["Trained on", f"{trained}: {window(facts)}"],
        ["Held out", f"{facts.held:,} rows: {outside(facts)}"],
        ["Python", python(facts)],
        ["Libraries", libraries(facts)],
    ]
    return table(["What", "Which"], "ll", lines)


def window(facts: Facts) -> str:
    """From when to when the rows that were trained on reach."""
    until, first = facts.params.ingest.until, facts.data.get("from")
    if until is None:
        return "a table without time"
    last = until - timedelta(weeks=facts.params.split.holdout_weeks)
    return f"{clean(first)} to {last}" if isinstance(first, str) else f"until {last}"


def python(facts: Facts) -> str:
    """The Python that trained it, where this model was measured."""
    system = facts.system or {}
    own = system.get("model") == facts.inputs["Model"][1]
    return code(str(system["python"])) if own and system.get("python") else "–"


def libraries(facts: Facts) -> str:
    """The versions that the environment's lock file pins."""
    path = facts.inputs["Environment"][0]
    pins = pinned(facts.root / path) if path else {}
    named = [f"{code(name)} {code(pins[name])}" for name in LIBRARIES if name in pins]
    return ", ".join(named) or "–"


def pinned(lock: Path) -> dict[str, str]:
    """Name and version of each package of a lock file; nothing where it is not there."""
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.is_file() else []
    found = (line.split()[0].partition("==") for line in lines if "==" in line)
    return {name: version for name, _, version in found}


def use(facts: Facts) -> str:
    """What it is for, and what it is not."""
    task = facts.params.task
    kinds = {
        "binary": "the chance that {} is 1",
        "multiclass": "the chance of each class of {}",
        "regression": "{}",
    }
    what = kinds[task.kind].format(code(task.target))
    text = (
        f"It predicts {what} from {len(task.features)} features, for rows that keep the contract "
    )
    text += "in `schema.py`; `make predict` refuses others. What is said below holds for rows like "
    text += "those held out: not for other places, later times, or groups that are not listed."
    return text


def limits(facts: Facts) -> str:
    """Where it ends: what people know of it, and what was not measured."""
    known = [sentence(prose(limit, 2000)) for limit in facts.params.card.limits]
    if not facts.metrics.get("fairness"):
        known.append("Fairness was not measured: `evaluate.sensitive` names no column.")
    return "\n".join(["**Limits**", "", *(f"- {limit}" for limit in known)]) if known else ""


def acceptance(facts: Facts) -> str:
    """Who took the responsibility for a blocked model, when and why; empty where nobody did."""
    if facts.accepted is None:
        return ""
    by, when, why = (str(facts.accepted.get(name) or "") for name in ("by", "when", "why"))
    said = sentence(prose(why or "no reason was given", 300))
    return f"⚠️ The gate blocked this model; {code(by)} accepted it on {moment(when)}: {said}"
