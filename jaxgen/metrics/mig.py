"""Mutual information gap (Chen et al. 2018, equation 6): the lead of each factor's best code over the second best."""

import numpy as np

from jaxgen.metrics import disentanglement
from jaxgen.metrics.disentanglement import Codes, entropy, gaps, in_bins, information, without_each_part
from jaxgen.metrics.frechet import jackknife

NEEDS = "encode"
DIRECTION = "higher"
TITLE, UNIT = "mutual information gap", ""
MEANING = (
    "How far the best code of each true factor is ahead of the second best, in shares of the factor's entropy. A "
    "perfect code reaches `ceiling`, which is below 1."
)
SETTINGS = ("bins", "factors")
MIN_SAMPLES = disentanglement.MIN_SAMPLES
FEWEST = 2
EXTRACTOR = None
USES = disentanglement.USES
FEW = "information of few images is estimated far too high"
BINS = 20


def gap_of_each_factor(codes: np.ndarray, factors: np.ndarray, bins: int = BINS) -> np.ndarray:
    """(I_1 - I_2) / H(v_k) of each factor, [K]: the two greatest mutual informations of one code with it.

    Args:
      codes: [N, Z], cut into bins of equal width. factors: whole numbers [N, K].
    """
    of_factors = np.array([entropy(np.bincount(column)) for column in factors.T])
    return gaps(information(in_bins(codes, bins), factors)) / of_factors


@disentanglement.on_codes
def start(codes: Codes) -> dict:
    """The gap, and the same of a perfect code of these images: the factors themselves.

    Bins of equal width cannot tell 40 values apart, and equal shares of few images are not equal. Both lower the
    ceiling.
    """
    of_each = gap_of_each_factor(codes.codes, codes.factors)
    perfect = gap_of_each_factor(codes.factors.astype(np.float64), codes.factors)
    left_out = without_each_part(codes, lambda part: gap_of_each_factor(part.codes, part.factors).mean())
    return {
        "value": float(of_each.mean()),
        "spread": None if left_out is None else jackknife(left_out),
        "spread_kind": "jackknife standard deviation over images" if left_out is not None else "none: few images",
        "ceiling": float(perfect.mean()),
        "of_each_factor": codes.by_name(of_each),
        "ceiling_of_each_factor": codes.by_name(perfect),
        "bins": BINS,
    }
