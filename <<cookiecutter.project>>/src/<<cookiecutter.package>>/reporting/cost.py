"""The section of what a model costs: time, memory, size, and what base cost."""

from collections.abc import Callable
from functools import partial

from ..text import NARROW, Section, code, number, places, table
from .facts import Facts
from .sides import Side, beside, sides

TOLD = {
    "Training": "training",
    "Model file": "model file",
    "Prediction, one row, median": "prediction",
}
"""What the title tells of a change."""


def unit(value: float, name: str, sign: bool = False, like: float | None = None) -> str:
    """With two significant digits, or as many decimals as another value has then."""
    return f"{number(value, places(like or value, 2), sign)}{NARROW}{name}"


def size(value: float, sign: bool = False, like: float | None = None) -> str:
    return unit(value / 1e6, "MB", sign, like and like / 1e6)


def speed(value: float, sign: bool = False, like: float | None = None) -> str:
    return unit(value, "rows/s", sign, like)


Format = Callable[..., str]
SECONDS, MILLISECONDS = partial(unit, name="s"), partial(unit, name="ms")
FIGURES: dict[str, tuple[str, Format]] = {
    "Training": ("fit_seconds", SECONDS),
    "Training, with the simple models and the measurements": ("train_seconds", SECONDS),
    "Peak memory": ("peak_memory_bytes", size),
    "Model file": ("model_bytes", size),
    "Prediction, one row, median": ("latency_median_ms", MILLISECONDS),
    "Prediction, one row, 95th percentile": ("latency_p95_ms", MILLISECONDS),
    "Prediction, all held-out rows": ("batch_rows_per_second", speed),
}


def cost(facts: Facts) -> Section:
    """Time, memory and size. They differ between equal runs, so they may be another machine's."""
    found = [one for one in sides(facts) if one.system and one.title != "Production"]
    if facts.system is None and not found:
        text = (
            "The model came out of the run cache or the store, and was not trained on this machine."
        )
        return Section("Cost", "not measured here", text)
    both = len(found) == 2
    head = ["Cost", *(one.title for one in found), *(["Change"] if both else [])]
    lines = [figure(label, found) for label in FIGURES]
    lines.insert(3, [*beside("GPU", found, gpu), *([""] if both else [])])
    body = table(head if both else ["Cost", "Value"], "l" + "r" * (len(head) - 1), lines)
    if facts.system is None or facts.system.get("model") != facts.inputs["Model"][1]:
        return Section("Cost", *elsewhere(facts, body))
    note = "\n\n<sub>Each model's own figures, as measured where it was trained.</sub>"
    return Section("Cost", changes(found) if both else spent(found[0]), body + note * both)


def elsewhere(facts: Facts, body: str) -> tuple[str, str]:
    """The answer and the body where this model's own figures are not there."""
    if facts.system is None:
        note = "These figures are base's: this model came out of the run cache or the store."
        return "not measured here; base's figures", f"{note}\n\n{body}"
    note = "These figures are another model's: this one came out of the run cache or the store."
    return "not measured here; another model's figures", f"{note}\n\n{body}"


def figure(label: str, found: list[Side]) -> list[str]:
    """One figure of each model, and the change from base to now."""
    key, show = FIGURES[label]
    values = [(one.system or {}).get(key) for one in found]
    known = [value for value in values if isinstance(value, int | float)]
    cells = [show(value) if value in known else "–" for value in values]
    if len(found) == 2:
        cells.append(change(known[0], known[1], show) if len(known) == 2 else "–")
    return [label, *cells]


def change(now: float, base: float, show: Format) -> str:
    """By how much, and how many times as much where that is more than a twentieth."""
    if now == base:
        return "none"
    factor = now / base if base else 1
    times = f"×{number(factor, places(factor, 2))}" if abs(factor - 1) > 0.05 else ""
    return f"{show(now - base, sign=True, like=base)}{f' <sub>{times}</sub>' if times else ''}"


def spent(one: Side) -> str:
    """The most wanted figures, in the title."""
    train, memory = (figure(label, [one])[1] for label in ("Training", "Peak memory"))
    latency = figure("Prediction, one row, median", [one])[1]
    return f"{train} to train, {memory}, {latency} for one prediction"


def changes(found: list[Side]) -> str:
    """What base costs more or less, in the title."""
    told = {what: figure(label, found)[-1].split(" <sub>")[0] for label, what in TOLD.items()}
    return ", ".join(f"{what} {text.replace('none', 'unchanged')}" for what, text in told.items())


def gpu(one: Side) -> str:
    found = (one.system or {}).get("gpu")
    if found is None:
        return "not used"
    used = f"{number(found['utilization_percent'], 0)}{NARROW}% used"
    return f"{code(found['name'])}, {used}, {found['peak_memory_mib']:,}{NARROW}MiB"
