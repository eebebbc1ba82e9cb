"""How fast models grow stale: their headline metric on months that came after their data.

One month is harder than another, for every model. So models of different ages are compared within
each month, and the slope is what age costs: a regression on age with an effect for each month
(the within estimator of Wooldridge, Econometric Analysis of Cross Section and Panel Data, chapter
10), with the jackknife over months for its error (Efron, 1982).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from .metrics import Values


class Score(NamedTuple):
    """One model on one month.

    Attributes:
        model: the MD5 of its file.
        until: how far its data reach, such as 2013-06-30.
        month: such as 2013-08.
        age: days from its data to the month's last day.
        rows: how many there were.
    """

    model: str
    until: str
    month: str
    age: int
    value: float
    rows: int


class Decay(NamedTuple):
    """What thirty days of age cost, in the metric's own unit; above 0 a model gets worse.

    Attributes:
        low: where its 95 % interval begins, `high` where it ends.
        months: how many months had models of several ages.
    """

    loss: float
    low: float
    high: float
    months: int

    def days(self, margin: float) -> int | None:
        """The age at which a model has lost a margin; None where no loss is shown."""
        return round(30 * margin / self.loss) if self.low > 0 else None


def decay(scores: Sequence[Score], *, lower_is_better: bool) -> Decay | None:
    """What age costs; None with fewer than three months that have models of several ages."""
    months = sorted({score.month for score in scores})
    groups = [[score for score in scores if score.month == month] for month in months]
    parts = [group for group in groups if len({score.age for score in group}) > 1]
    if len(parts) < 3:
        return None
    sums = np.array([within(group) for group in parts])
    sign = 30.0 if lower_is_better else -30.0
    whole = ratio(sums.sum(axis=0))
    left = np.array([ratio(sums.sum(axis=0) - each) for each in sums])
    count = len(parts)
    spread = np.sqrt((count - 1) / count * np.square(left - left.mean()).sum())
    reach = float(stdtrit(count - 1, 0.975) * spread * 30)
    loss = sign * whole
    return Decay(loss, loss - reach, loss + reach, count)


def within(group: Sequence[Score]) -> tuple[float, float]:
    """Of one month: the covariance of age and metric, and the variance of age, as sums."""
    age: Values = np.array([float(score.age) for score in group])
    value: Values = np.array([score.value for score in group])
    apart = age - age.mean()
    return float(apart @ (value - value.mean())), float(apart @ apart)


def ratio(sums: Values) -> float:
    return float(sums[0] / sums[1])
