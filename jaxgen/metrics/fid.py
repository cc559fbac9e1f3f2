"""Frechet distance (Heusel et al. 2017) of the chosen network's features. The canonical Inception makes it the FID."""

from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.frechet import Distance

NEEDS = "sample"
DIRECTION = "lower"
TITLE, UNIT = "Frechet distance", ""
CANONICAL_TITLE = "FID"
MEANING = (
    "Distance between the features of samples and of real images. It depends on quality and variety, and "
    "falls with the number of samples."
)
# The covariance of 2,048 features is rank-deficient up to 2,048 images.
MIN_SAMPLES = 2048
FEWEST = 2  # one image has no covariance
EXTRACTOR = CHOSEN
USES = ("real.statistics",)
# Another network's distance is no FID: `fd_efficientnet_lite0`.
PREFIX = "fd"
FEW = "below it the covariance is rank-deficient, but kid is unbiased at any number"


def start(context: Context) -> Distance:
    """An accumulator of the distance, with the spread of `frechet.distance_and_spread`."""
    real = context.real.statistics(context.extractor)
    return Distance(context.extractor, real, context.n_fake, context.seed)
