"""The model card: what the model is, what it is for, how good it is, and where that ends.

Its parts are those of Mitchell et al., "Model Cards for Model Reporting" (2019), as far as the
pipeline's files tell them. People say in `params.yaml` what no run can know; nothing else is filled
in by hand.
"""

from dataclasses import replace
from pathlib import Path

from ..params import Params
from ..text import Section, link
from . import alone, versus
from .facts import Facts, gather
from .fairness import fairness
from .purpose import acceptance, identity, limits, purpose, use
from .report import shed
from .sections import sections

METHOD = "https://arxiv.org/abs/1810.03993"


def run(
    params: Params,
    metrics: Path,
    data: Path,
    system: Path,
    plots: Path,
    lock: Path,
    comparison: Path,
    output: Path,
) -> None:
    """Write `output`; the arguments are those of `gather`."""
    facts = gather(params, metrics, data, system, plots, lock, comparison, output)
    one = replace(facts, comparison=None)
    parts = ["## Model card", purpose(one), identity(one), use(one), limits(one), acceptance(one)]
    parts += [alone.opening(one), compared(facts)]
    opening = "\n\n".join(part for part in parts if part)
    small = f"<sub>A model card after {link('Mitchell et al., 2019', METHOD)}.</sub>"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(shed(opening, closed(one), small), encoding="utf-8")
    print(f"card: {alone.headline(one)}; {output}")


def closed(facts: Facts) -> list[Section]:
    """The sections of a report on one model, and between them how it treats groups of people."""
    first, *others = sections(facts)
    return [first, *fairness(facts), *others]


def compared(facts: Facts) -> str:
    """What it was held against, where that was done here."""
    found = facts.comparison
    if found is None:
        return ""
    return f"### Compared\n\n{versus.verdict(found)}. {versus.reason(facts, found)}"
