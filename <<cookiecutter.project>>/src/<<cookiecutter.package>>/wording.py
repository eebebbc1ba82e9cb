"""How metrics are called and rounded, and how a gain of one model over another is told."""

from typing import Any, NamedTuple

from .text import NARROW, code, number, places, span

NAMES = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss ↓",
    "brier": "Brier score ↓",
    "accuracy": "Accuracy",
    "mae": "MAE ↓",
    "rmse": "RMSE ↓",
    "r2": "R²",
}
"""How a metric is called; ↓ where low values are good."""

IN_UNITS = ("mae", "rmse")
"""Metrics in the target's own unit; the others are scores with three decimals."""


def title(name: str) -> str:
    """A metric's name in a sentence, without the arrow."""
    return NAMES.get(name, code(name)).removesuffix(" ↓")


def heading(name: str) -> str:
    """A metric's name in a table, with its arrow."""
    return NAMES.get(name, code(name)).replace(" ↓", f"{NARROW}↓")


def lower(name: str) -> bool:
    return NAMES.get(name, "").endswith("↓")


class Gain(NamedTuple):
    """By how much the model is better than another one; positive is better in every metric."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def better(self) -> bool:
        return self.low is not None and self.low > 0

    @property
    def worse(self) -> bool:
        return self.high is not None and self.high < 0

    @property
    def word(self) -> str:
        if self.value is None:
            return "undefined"
        return "▲ better" if self.better else "▼ worse" if self.worse else "≈ unclear"

    def over(self, name: str, digits: int) -> str:
        """The gain as part of a sentence."""
        if self.value is None:
            return f"not comparable with {name}"
        if self.better:
            return f"better than {name} by {interval(self, digits)}"
        if self.worse:
            lost = Gain(*(-x if x is not None else None for x in (self.value, self.high, self.low)))
            return f"worse than {name} by {interval(lost, digits)}"
        return f"not clearly better than {name}, {interval(self, digits, sign=True)}"


def gain(found: dict[str, Any], simple: str) -> Gain:
    own = found[simple]
    return Gain(own["gain"], own["gain_low"], own["gain_high"])


def decimals(name: str, found: dict[str, Any]) -> int:
    """Three for a score; else three digits of the value, or two of the gain's interval."""
    if name in NAMES and name not in IN_UNITS:
        return 3
    over = gain(found, "linear")
    half = (over.high - over.low) / 2 if over.low is not None and over.high is not None else None
    return max(places(found["value"]), places(half, 2))


def interval(gain: Gain, digits: int, sign: bool = False) -> str:
    value = number(gain.value, digits, sign)
    if gain.low is None or gain.high is None:
        return f"{value} (no interval)"
    return f"{value} ({span(gain.low, gain.high, digits, sign)})"


def small(low: float | None, high: float | None, digits: int, sign: bool = False) -> str:
    """An interval behind its value; nothing where there is none."""
    if low is None or high is None:
        return ""
    return f" <sub>({span(low, high, digits, sign)})</sub>"


def under(low: float | None, high: float | None, digits: int, sign: bool = False) -> str:
    """As `small`, on a line of its own: so the table fits into a comment."""
    return small(low, high, digits, sign).replace(" <sub>", "<br><sub>")
