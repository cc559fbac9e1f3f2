"""Classifier two-sample test with a random forest (Lopez-Paz and Oquab 2017): can it tell generated from real rows?"""

from jaxgen.metrics import tabular

NEEDS = "points"
DIRECTION = "0.5"
TITLE, UNIT = "C2ST forest AUC", ""
MEANING = "How well a random forest separates generated from unseen real rows: 0.5 is chance, 1 is perfect."
SETTINGS = ("rows_of_each", "folds")
MIN_SAMPLES, USES = tabular.MIN_ROWS, tabular.USES
FEWEST = tabular.FOLDS  # each fold holds a row of either side
EXTRACTOR = None


@tabular.on_tables
def start(tables: tabular.Tables) -> dict:
    """The area under the ROC curve of a forest of 100 trees."""
    return tabular.two_sample_auc(tables, tabular.forest(tables.seed))
