"""The Wasserstein-1 distance between generated and real points on the line, which for one dimension is exact."""

import numpy as np
from scipy.stats import wasserstein_distance

from jaxgen.metrics.base import Context, OutputBatch

NEEDS = "points"
DIRECTION = "lower"
TITLE, UNIT = "Wasserstein distance", "of the data"
MEANING = "How far probability must be moved to turn the samples' distribution into the data's."
MIN_SAMPLES = 1000
EXTRACTOR = None
USES = ("real.images",)


def unsuitable(shape: tuple[int, ...]) -> str | None:
    """Why points of that shape cannot be measured."""
    return None if shape == (1,) else f"needs points of one dimension; these have the shape {list(shape)}"


class _Wasserstein:
    def __init__(self, real: np.ndarray):
        self._real = real
        self._points: list[np.ndarray] = []

    def update(self, batch: OutputBatch) -> None:
        self._points.append(batch.host(batch.output)[:, 0])

    def result(self) -> dict:
        points = np.concatenate(self._points)
        if not np.isfinite(points).all():
            return {"value": float("inf"), "spread": None, "spread_kind": "none: some points are not finite"}
        return {
            "value": float(wasserstein_distance(points, self._real)),
            "spread": None,
            "spread_kind": "none: one number of all points",
            "unit": "of the data",
            "mean": float(points.mean()),
            "standard_deviation": float(points.std()),
            "mean_real": float(self._real.mean()),
            "standard_deviation_real": float(self._real.std()),
        }


def start(context: Context) -> _Wasserstein:
    """An accumulator of the distance (Ramdas et al. 2017, equation 8), in the data's units."""
    return _Wasserstein(np.asarray(context.real.images[:])[:, 0])
