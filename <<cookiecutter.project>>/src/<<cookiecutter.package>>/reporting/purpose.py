"""What a model is, what it is for, and who let it through: the parts that a model card is about."""

from ..text import Section, code, prose, table, tag
from .facts import Facts
from .versus import moment, sentence


def section(facts: Facts) -> Section | None:
    """The card, closed, in the report of a pull request to `release`."""
    if facts.comparison is None or facts.comparison.target != "release":
        return None
    parts = [identity(facts), use(facts), acceptance(facts)]
    answer = f"predicts {tag(facts.params.task.target)}"
    return Section("Model card", answer, "\n\n".join(part for part in parts if part))


def identity(facts: Facts) -> str:
    """The model by its hashes, and the data by its window."""
    split, until = facts.params.split, facts.params.ingest.until
    held = (
        f"the last {split.holdout_weeks} weeks" if until else f"{split.holdout_share:g} of the keys"
    )
    lines = [
        ["Estimator", code(facts.params.train.estimator, 120)],
        ["Commit", facts.commit],
        *([name, code(digest or "none")] for name, (_, digest) in facts.inputs.items()),
        ["Data until", until.isoformat() if until else "a table without time"],
        ["Held out", f"{facts.held:,} rows: {held}"],
    ]
    return table(["What", "Which"], "ll", lines)


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


def acceptance(facts: Facts) -> str:
    """Who took the responsibility for a blocked model, when and why; empty where nobody did."""
    if facts.accepted is None:
        return ""
    by, when, why = (str(facts.accepted.get(name) or "") for name in ("by", "when", "why"))
    said = sentence(prose(why or "no reason was given", 300))
    return f"⚠️ The gate blocked this model; {code(by)} accepted it on {moment(when)}: {said}"
