"""Coverage (Naeem et al. 2020): the share of real images with a sample nearer than their k-th real neighbour."""

from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.manifold import K_DENSITY, measured

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "coverage", ""
MEANING = "Share of real images with a sample nearby: low where the model leaves out part of the data."
SETTINGS = ("k",)
MIN_SAMPLES = 1000
EXTRACTOR = CHOSEN
USES = ("real.features",)
FEW = "balls to the neighbours of a few images cover nearly everything"


def start(context: Context) -> Collected:
    """An accumulator of the share of real images whose neighbourhood holds a sample."""
    return measured(context, lambda manifolds: manifolds.covered, "real images", K_DENSITY)
