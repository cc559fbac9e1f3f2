"""The Frechet distance between Gaussians fitted to generated and real rows, on standardised columns of numbers."""

import numpy as np

from jaxgen.metrics import tabular
from jaxgen.metrics.collected import no_number
from jaxgen.metrics.frechet import FeatureStatistics, frechet_distance

NEEDS = "points"
DIRECTION = "lower"
TITLE, UNIT = "Frechet distance of columns", ""
MEANING = "Distance between means and covariances of generated and real rows. Even two real splits differ from 0."
MIN_SAMPLES, USES = tabular.MIN_ROWS, tabular.USES
FEWEST = 2  # one row has no covariance
EXTRACTOR = None


@tabular.on_tables
def start(tables: tabular.Tables) -> dict:
    """The distance. The training split's mean and deviation standardise the columns."""
    numbers = tables.numbers()
    if not len(numbers):
        return no_number("no column of numbers varies in the training split")
    train = tables.train[:, numbers].astype(np.float64)
    scaled = ((rows[:, numbers] - train.mean(0)) / train.std(0) for rows in (tables.real, tables.fake))
    value = frechet_distance(*(FeatureStatistics.of(rows) for rows in scaled))
    return {"value": value, "spread": None, "spread_kind": "none: one number of all rows", "columns": len(numbers)}
