"""Frechet distance (Heusel et al. 2017) of EfficientNet-Lite0 features. It is no FID and compares with itself only."""

from jaxgen.metrics import fid
from jaxgen.metrics.base import Context
from jaxgen.metrics.frechet import Distance

NEEDS = "sample"
DIRECTION = "lower"
TITLE, UNIT = "Frechet distance", ""
MEANING, FEW = fid.MEANING, fid.FEW
# The covariance of 1,280 features is rank-deficient up to 1,280 images; the field's floor of 2,048 clears it.
MIN_SAMPLES, FEWEST = 2048, fid.FEWEST
EXTRACTOR = "efficientnet_lite0"
USES = ("real.statistics",)


def start(context: Context) -> Distance:
    """An accumulator of the distance, with the spread of `frechet.distance_and_spread`."""
    return Distance(EXTRACTOR, context.real.statistics(EXTRACTOR), context.n_fake, context.seed)
