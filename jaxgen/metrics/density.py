"""Density (Naeem et al. 2020): how many real images' neighbourhoods hold a sample, over k. An outlier counts little.

It is 1 on average for samples of the real distribution, and may be above.
"""

from jaxgen.metrics import manifold
from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "density", ""
MEANING = (
    "How many real neighbourhoods hold each sample: near 1 for real data, low for samples that look like no image."
)
SETTINGS, USES, FEW = manifold.SETTINGS, manifold.USES, manifold.FEW
MIN_SAMPLES, FEWEST = 1000, manifold.FEWEST
EXTRACTOR = CHOSEN


def start(context: Context) -> Collected:
    """An accumulator of the mean number of real balls around a sample, divided by k."""
    return manifold.measured(
        context, lambda manifolds: manifolds.balls / manifold.K_DENSITY, "samples", manifold.K_DENSITY
    )
