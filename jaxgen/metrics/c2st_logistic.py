"""Classifier two-sample test with a logistic regression (Lopez-Paz and Oquab 2017). It ignores dependencies."""

from jaxgen.metrics import tabular

NEEDS = "points"
DIRECTION = "0.5"
TITLE, UNIT = "C2ST logistic AUC", ""
MEANING = "How well a linear classifier separates generated from unseen real rows. Even shuffled columns reach 0.5."
SETTINGS = ("rows_of_each", "folds")
MIN_SAMPLES, USES = tabular.MIN_ROWS, tabular.USES
FEWEST = tabular.FOLDS  # each fold holds a row of either side
EXTRACTOR = None


@tabular.on_tables
def start(tables: tabular.Tables) -> dict:
    """The area under the ROC curve of a logistic regression on standardised columns."""
    from sklearn.linear_model import LogisticRegression

    return tabular.two_sample_auc(tables, LogisticRegression(max_iter=1000))
