"""Classifier two-sample test with a random forest (Lopez-Paz and Oquab 2017): can it tell generated from real rows?"""

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.tabular import MIN_ROWS, forest, of_tables, two_sample_auc
from jaxgen.metrics.tabular import USES as USES

NEEDS = "points"
DIRECTION = "0.5"
TITLE, UNIT = "C2ST forest AUC", ""
MEANING = "How well a random forest tells generated from unseen real rows: 0.5 is not at all, 1 without fail."
SETTINGS = ("rows_of_each", "folds")
MIN_SAMPLES = MIN_ROWS
EXTRACTOR = None


def start(context: Context) -> Collected:
    """An accumulator of the area under the ROC curve of a forest of 100 trees."""
    return of_tables(context, lambda tables: two_sample_auc(tables, forest(tables.seed)))
