"""The Wasserstein-1 distance between generated and real points on the line, exact in one dimension."""

import numpy as np
from scipy.stats import wasserstein_distance

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected, no_number, of_output

NEEDS = "points"
DIRECTION = "lower"
TITLE, UNIT = "Wasserstein distance", "of the data"
MEANING = "How far probability must be moved to turn the samples' distribution into the data's."
MIN_SAMPLES = 1000
EXTRACTOR = None
USES = ("real.images",)


def unsuitable(shape: tuple[int, ...]) -> str | None:
    """The reason against points of a shape."""
    return None if shape == (1,) else f"needs points of one dimension, but these have the shape {list(shape)}"


def start(context: Context) -> Collected:
    """An accumulator of the distance (Ramdas et al. 2017, equation 8), in the data's units."""
    real = np.asarray(context.real.images[:])[:, 0]

    def finish(points: np.ndarray) -> dict:
        points = points[:, 0]
        if not np.isfinite(points).all():
            return no_number(f"{int((~np.isfinite(points)).sum())} of {len(points)} points are not finite")
        return {
            "value": float(wasserstein_distance(points, real)),
            "spread": None,
            "spread_kind": "none: one number of all points",
            "unit": "of the data",
            "mean": float(points.mean()),
            "standard_deviation": float(points.std()),
            "mean_real": float(real.mean()),
            "standard_deviation_real": float(real.std()),
        }

    return of_output(finish)
