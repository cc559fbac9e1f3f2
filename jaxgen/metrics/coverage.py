"""Coverage (Naeem et al. 2020): the share of real images with a sample nearer than their k-th real neighbour."""

from jaxgen.metrics import manifold
from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "coverage", ""
MEANING = "Share of real images with a sample nearby. It is low if the model misses part of the data."
SETTINGS, USES, FEW = manifold.SETTINGS, manifold.USES, manifold.FEW
MIN_SAMPLES, FEWEST = 1000, manifold.FEWEST
EXTRACTOR = CHOSEN


def start(context: Context) -> Collected:
    """An accumulator of the share of real images whose neighbourhood holds a sample."""
    return manifold.measured(context, lambda manifolds: manifolds.covered, "real images", manifold.K_DENSITY)
