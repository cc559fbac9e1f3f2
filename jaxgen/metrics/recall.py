"""Improved recall (Kynkaanniemi et al. 2019): the share of real images inside the samples' manifold, diversity."""

from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.manifold import K, measured

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "recall", ""
MEANING = "Share of real images that lie among the samples: variety."
SETTINGS = ("k",)
MIN_SAMPLES = 1000
EXTRACTOR = CHOSEN
USES = ("real.features",)
FEW = "balls to the neighbours of a few images cover nearly everything"


def start(context: Context) -> Collected:
    """An accumulator of the share of real images within the k-th neighbour's distance of some sample."""
    return measured(context, lambda manifolds: manifolds.in_fake, "real images", K)
