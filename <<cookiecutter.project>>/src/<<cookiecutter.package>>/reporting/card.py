"""The model card: what the model is, what it is for, how good it is, and where that ends.

Its parts are those of Mitchell et al., "Model Cards for Model Reporting" (2019), as far as the
pipeline's files tell them; nothing is filled in by hand.
"""

from pathlib import Path

from ..params import Params
from ..text import link
from . import alone
from .facts import gather
from .purpose import acceptance, identity, use
from .report import shed
from .sections import sections

METHOD = "https://arxiv.org/abs/1810.03993"


def run(
    params: Params, metrics: Path, data: Path, system: Path, plots: Path, lock: Path, output: Path
) -> None:
    """Write `output`; the arguments are those of `gather`."""
    facts = gather(params, metrics, data, system, plots, lock, None, output)
    parts = ["## Model card", identity(facts), use(facts), acceptance(facts), alone.opening(facts)]
    opening = "\n\n".join(part for part in parts if part)
    small = f"<sub>A model card after {link('Mitchell et al., 2019', METHOD)}.</sub>"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(shed(opening, sections(facts), small), encoding="utf-8")
    print(f"card: {alone.headline(facts)}; {output}")
