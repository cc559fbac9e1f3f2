"""Classifier two-sample test with a random forest (Lopez-Paz and Oquab 2017): can it tell generated from real rows?"""

from jaxgen.metrics.tabular import MIN_ROWS, Tables, forest, on_tables, two_sample_auc
from jaxgen.metrics.tabular import USES as USES

NEEDS = "points"
DIRECTION = "0.5"
TITLE, UNIT = "C2ST forest AUC", ""
MEANING = "How well a random forest tells generated from unseen real rows: 0.5 is not at all, 1 without fail."
SETTINGS = ("rows_of_each", "folds")
MIN_SAMPLES = MIN_ROWS
EXTRACTOR = None


@on_tables
def start(tables: Tables) -> dict:
    """The area under the ROC curve of a forest of 100 trees."""
    return two_sample_auc(tables, forest(tables.seed))
