"""Frechet distance (Heusel et al. 2017) of EfficientNet-Lite0 features: comparable with itself only, not an FID."""

from jaxgen.metrics.base import Batch, Context
from jaxgen.metrics.frechet import GroupedStatistics, Reference, distance_and_spread

NEEDS = "sample"
DIRECTION = "lower"
# The covariance of 1,280 features is rank-deficient up to 1,280 images; the field's floor of 2,048 clears it.
MIN_SAMPLES = 2048
EXTRACTOR = "efficientnet_lite0"


class _Distance:
    def __init__(self, context: Context):
        self._reference = Reference(context.reference(EXTRACTOR))
        self._fake = GroupedStatistics(context.n_fake, context.seed)

    def update(self, batch: Batch) -> None:
        self._fake.update(batch.features(EXTRACTOR)[0])

    def result(self) -> dict:
        value, spread = distance_and_spread(self._reference, self._fake.parts())
        return {"value": value, "spread": spread, "spread_kind": "jackknife standard deviation over draws of samples"}


def start(context: Context) -> _Distance:
    """An accumulator of the distance; the spread is that of `frechet.distance_and_spread`."""
    return _Distance(context)
