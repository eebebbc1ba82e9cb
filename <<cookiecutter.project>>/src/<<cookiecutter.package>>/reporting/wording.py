"""How metrics are called and rounded, and how a gain of one model over another is told."""

from typing import Any, NamedTuple

from ..text import NARROW, code, number, places, span

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

RESULTS = {
    "better": "▲ better",
    "worse": "▼ worse",
    "unclear": "≈ unclear",
    "small": "– too small",
}
"""How a result is shown: a sign and a word, never a colour alone."""


def title(name: str) -> str:
    """A metric's name in a sentence, without the arrow."""
    return NAMES.get(name, code(name)).removesuffix(" ↓")


def heading(name: str, low: bool | None = None) -> str:
    """A metric's name in a table, with its arrow; `low` says it where the name does not."""
    arrow = f"{NARROW}↓" if (lower(name) if low is None else low) else ""
    return f"{title(name)}{arrow}".replace(" ", NARROW)


def lower(name: str) -> bool:
    return NAMES.get(name, "").endswith("↓")


class Gain(NamedTuple):
    """By how much the model is better than another one; positive is better in every metric."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def turned(self) -> "Gain":
        """The same from the other side: a gain as a loss."""
        value, high, low = (None if x is None else -x for x in self)
        return Gain(value, low, high)

    @property
    def better(self) -> bool:
        return self.low is not None and self.low > 0

    @property
    def worse(self) -> bool:
        return self.high is not None and self.high < 0

    @property
    def word(self) -> str:
        if self.value is None:
            return "– undefined"
        if self.low is None or self.high is None:
            return "– no interval"
        return RESULTS["better" if self.better else "worse" if self.worse else "unclear"]

    def over(self, name: str, digits: int) -> str:
        """The gain as part of a sentence."""
        if self.value is None:
            return f"not comparable with {name}"
        if self.better:
            return f"better than {name} by {interval(self, digits)}"
        if self.worse:
            return f"worse than {name} by {interval(self.turned, digits)}"
        return f"not clearly better than {name}, {interval(self, digits, sign=True)}"


def gain(found: dict[str, Any], simple: str) -> Gain:
    own = found[simple]
    return Gain(own["gain"], own["gain_low"], own["gain_high"])


def decimals(name: str, value: float | None, change: Gain) -> int:
    """Three for a score; else three digits of the value, or two of the change's interval."""
    if name not in IN_UNITS and (name in NAMES or value is None or abs(value) < 10):
        return 3
    half = None if change.low is None or change.high is None else (change.high - change.low) / 2
    return max(places(value), places(half, 2))


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
