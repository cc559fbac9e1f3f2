"""SAP score (Kumar et al. 2018, section 3) in the form with R^2: the gap between the two best codes of each factor."""

import numpy as np

from jaxgen.metrics import disentanglement
from jaxgen.metrics.disentanglement import Codes, gaps, without_each_part
from jaxgen.metrics.frechet import jackknife

NEEDS = "encode"
DIRECTION = "higher"
TITLE, UNIT = "SAP (R^2)", ""
MEANING = (
    "How far the best code of each true factor is ahead of the second best, by the variance that a straight line "
    "explains. 1 is a perfect code."
)
SETTINGS = ("factors",)
MIN_SAMPLES = disentanglement.MIN_SAMPLES
FEWEST = 2
EXTRACTOR = None
USES = disentanglement.USES


def explained(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """R^2 of the straight line from each code of [N, Z] to each factor of [N, K], [Z, K]. A constant explains 0."""
    a, b = (x - x.mean(0) for x in (codes, factors.astype(np.float64)))
    squares = (a**2).sum(0)[:, None] * (b**2).sum(0)
    return np.where(squares > 0, (a.T @ b) ** 2 / np.where(squares > 0, squares, 1), 0)


@disentanglement.on_codes
def start(codes: Codes) -> dict:
    """The mean gap. Values of a factor without an order, such as a shape, count by their numbers."""
    of_each = gaps(explained(codes.codes, codes.factors))
    left_out = without_each_part(codes, lambda part: gaps(explained(part.codes, part.factors)).mean())
    return {
        "value": float(of_each.mean()),
        "spread": None if left_out is None else jackknife(left_out),
        "spread_kind": "jackknife standard deviation over images" if left_out is not None else "none: few images",
        "of_each_factor": codes.by_name(of_each),
    }
