"""Classifier two-sample test with a logistic regression (Lopez-Paz and Oquab 2017): blind to how columns depend."""

from jaxgen.metrics.tabular import MIN_ROWS, Tables, on_tables, two_sample_auc
from jaxgen.metrics.tabular import USES as USES

NEEDS = "points"
DIRECTION = "0.5"
TITLE, UNIT = "C2ST logistic AUC", ""
MEANING = "How well a linear classifier tells generated from unseen real rows; shuffled columns pass it at 0.5."
SETTINGS = ("rows_of_each", "folds")
MIN_SAMPLES = MIN_ROWS
EXTRACTOR = None


@on_tables
def start(tables: Tables) -> dict:
    """The area under the ROC curve of a logistic regression on standardised columns."""
    from sklearn.linear_model import LogisticRegression

    return two_sample_auc(tables, LogisticRegression(max_iter=1000))
