"""Means over seeds with Student's intervals, Welch's t-test between models, Holm's correction for many tests."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxgen.evaluation.aggregate import CONFIDENCE, equal

LEVEL = 0.05


class Difference(NamedTuple):
    """Mean of a less mean of b, its 95% interval and the two-sided p-value, corrected too once `correct` has it.

    p is None where no test can be made: fewer than two values on a side, or no spread on either.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None
    corrected: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is below 0.05."""
        return self.corrected is not None and self.corrected < LEVEL

    @property
    def turned(self) -> "Difference":
        """The difference of b less a."""
        low, high = (None, None) if self.low is None else (-self.high, -self.low)
        return Difference(-self.value, low, high, self.p, self.corrected)


def welch(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Welch's t-test, which lets the two have different spreads.

    Not paired: seeds of different models share no draw but the order of the data.
    """
    difference = float(np.mean(a) - np.mean(b))
    if min(len(a), len(b)) < 2 or (equal(a) and equal(b)):
        return Difference(difference, None, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of values that are nearly equal: the p-value stays right
        result = stats.ttest_ind(a, b, equal_var=False)
        interval = result.confidence_interval(CONFIDENCE)
    return Difference(difference, float(interval.low), float(interval.high), float(result.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down correction: p-values such that all below 0.05 hold together at that level."""
    order, corrected, largest = np.argsort(p_values, kind="stable"), [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def correct(differences: dict) -> dict:
    """The same differences with p-values corrected for all of them that have one."""
    tested = [key for key, difference in differences.items() if difference.p is not None]
    corrected = dict(zip(tested, holm([differences[key].p for key in tested]), strict=True))
    return {key: d._replace(corrected=corrected.get(key)) for key, d in differences.items()}
