"""Improved precision (Kynkaanniemi et al. 2019): the share of samples inside the real images' manifold, fidelity."""

from jaxgen.metrics import manifold
from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "precision", ""
MEANING = "Share of samples that lie among the real images: fidelity."
SETTINGS, USES, FEW = manifold.SETTINGS, manifold.USES, manifold.FEW
MIN_SAMPLES, FEWEST = 1000, manifold.FEWEST
EXTRACTOR = CHOSEN


def start(context: Context) -> Collected:
    """An accumulator of the share of samples within the k-th neighbour's distance of some real image."""
    return manifold.measured(context, lambda manifolds: manifolds.in_real, "samples", manifold.K)
