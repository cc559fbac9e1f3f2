"""The Frechet distance between Gaussians fitted to generated and real rows, on standardised columns of numbers."""

import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.frechet import FeatureStatistics, frechet_distance
from jaxgen.metrics.tabular import MIN_ROWS, Tables, of_tables
from jaxgen.metrics.tabular import USES as USES

NEEDS = "points"
DIRECTION = "lower"
TITLE, UNIT = "Frechet distance of columns", ""
MEANING = "Distance between means and covariances of generated and real rows; more than 0 even between real splits."
MIN_SAMPLES = MIN_ROWS
EXTRACTOR = None


def _measure(tables: Tables) -> dict:
    numbers = tables.numbers()
    if not len(numbers):
        return {"value": float("nan"), "spread": None, "spread_kind": "none: no column of numbers"}
    train = tables.train[:, numbers].astype(np.float64)
    scaled = ((rows[:, numbers] - train.mean(0)) / train.std(0) for rows in (tables.real, tables.fake))
    value = frechet_distance(*(FeatureStatistics.of(rows) for rows in scaled))
    return {"value": value, "spread": None, "spread_kind": "none: one number of all rows", "columns": len(numbers)}


def start(context: Context) -> Collected:
    """An accumulator of the distance; columns are standardised by mean and deviation of the training split."""
    return of_tables(context, _measure)
