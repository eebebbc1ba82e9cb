"""The model card: what the model is, what it is for, how good it is, and where that ends.

Its parts are those of Mitchell et al., "Model Cards for Model Reporting" (2019), as far as the
pipeline's files tell them; nothing is filled in by hand.
"""

from pathlib import Path

from ..params import Params
from ..text import code, link, prose, table
from . import alone
from .facts import Facts, gather, mapping, read
from .report import shed
from .sections import sections
from .versus import moment, sentence

METHOD = "https://arxiv.org/abs/1810.03993"


def run(
    params: Params,
    metrics: Path,
    data: Path,
    system: Path,
    plots: Path,
    lock: Path,
    accepted: Path,
    output: Path,
) -> None:
    """Write `output`; the arguments are those of `gather`, but for one.

    Args:
        accepted: who let a blocked model through, as `publish` committed it; may be absent.
    """
    facts = gather(params, metrics, data, system, plots, lock, None, output)
    parts = [title(facts), use(facts), acceptance(facts, accepted), alone.opening(facts)]
    opening = "\n\n".join(part for part in parts if part)
    small = f"<sub>A model card after {link('Mitchell et al., 2019', METHOD)}.</sub>"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(shed(opening, sections(facts), small), encoding="utf-8")
    print(f"card: {alone.headline(facts)}; {output}")


def title(facts: Facts) -> str:
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
    return f"## Model card\n\n{table(['What', 'Which'], 'll', lines)}"


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


def acceptance(facts: Facts, path: Path) -> str:
    """Who took the responsibility for a blocked model, when and why; empty where nobody did."""
    if not path.exists():
        return ""
    known = read(path, mapping)
    if known.get("model") != facts.inputs["Model"][1]:
        return ""
    by, when, why = (str(known.get(name) or "") for name in ("by", "when", "why"))
    said = sentence(prose(why or "no reason was given", 300))
    return f"⚠️ The gate blocked this model; {code(by)} accepted it on {moment(when)}: {said}"
