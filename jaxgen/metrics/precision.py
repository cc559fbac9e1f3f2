"""Improved precision (Kynkaanniemi et al. 2019): the share of samples inside the real images' manifold, fidelity."""

from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.manifold import K, measured

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "precision", ""
MEANING = "Share of samples that lie among the real images: fidelity."
SETTINGS = ("k",)
MIN_SAMPLES = 1000
EXTRACTOR = CHOSEN
USES = ("real.features",)
FEW = "balls to the neighbours of a few images cover nearly everything"


def start(context: Context) -> Collected:
    """An accumulator of the share of samples within the k-th neighbour's distance of some real image."""
    return measured(context, lambda manifolds: manifolds.in_real, "samples", K)
