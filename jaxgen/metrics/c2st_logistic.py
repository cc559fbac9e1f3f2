"""Classifier two-sample test with a logistic regression (Lopez-Paz and Oquab 2017): blind to how columns depend."""

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import Collected
from jaxgen.metrics.tabular import MIN_ROWS, Tables, of_tables, two_sample_auc
from jaxgen.metrics.tabular import USES as USES

NEEDS = "points"
DIRECTION = "0.5"
TITLE, UNIT = "C2ST logistic AUC", ""
MEANING = "How well a linear classifier tells generated from unseen real rows; shuffled columns pass it at 0.5."
SETTINGS = ("rows_of_each", "folds")
MIN_SAMPLES = MIN_ROWS
EXTRACTOR = None


def _measure(tables: Tables) -> dict:
    from sklearn.linear_model import LogisticRegression

    return two_sample_auc(tables, LogisticRegression(max_iter=1000))


def start(context: Context) -> Collected:
    """An accumulator of the area under the ROC curve of a logistic regression on standardised columns."""
    return of_tables(context, _measure)
