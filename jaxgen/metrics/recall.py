"""Improved recall (Kynkaanniemi et al. 2019): the share of real images inside the samples' manifold, diversity."""

from jaxgen.metrics import manifold
from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "recall", ""
MEANING = "Share of real images that lie among the samples: variety."
SETTINGS, USES, FEW = manifold.SETTINGS, manifold.USES, manifold.FEW
MIN_SAMPLES, FEWEST = 1000, manifold.FEWEST
EXTRACTOR = CHOSEN


def start(context: Context) -> Collected:
    """An accumulator of the share of real images within the k-th neighbour's distance of some sample."""
    return manifold.measured(context, lambda manifolds: manifolds.in_fake, "real images", manifold.K)
