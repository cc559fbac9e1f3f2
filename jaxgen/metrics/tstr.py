"""Train on synthetic, test on real (Esteban et al. 2017): the accuracy of a classifier trained on generated rows."""

import numpy as np

from jaxgen.metrics import tabular

NEEDS = "points"
DIRECTION = "higher"
TITLE, UNIT = "TSTR accuracy", ""
MEANING = "Accuracy on unseen real rows of a forest trained on generated rows alone, beside one trained on real rows."
MIN_SAMPLES = tabular.MIN_ROWS
EXTRACTOR = None
USES = (*tabular.USES, "real.labels")


def _scores(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray, seed: int) -> dict:
    """Accuracy, area under the ROC curve and F1 (both means over classes) of a forest fitted to x, y on test rows."""
    from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        classifier = tabular.forest(seed).fit(x, y)
        predicted, shares = classifier.predict(x_test), classifier.predict_proba(x_test)
    auc = []
    for label in np.unique(y_test):
        known = np.flatnonzero(classifier.classes_ == label)
        score = shares[:, known].sum(1)  # of a class that was never generated 0 everywhere: chance
        auc.append(roc_auc_score(y_test == label, score) if 0 < np.mean(y_test == label) < 1 else np.nan)
    return {
        "accuracy": float(accuracy_score(y_test, predicted)),
        "auc": float(np.mean(auc)),
        "f1": float(f1_score(y_test, predicted, average="macro", zero_division=0)),
    }


@tabular.on_tables
def start(tables: tabular.Tables) -> dict:
    """The accuracy, with `auc` and `f1`. `trtr_...` belongs to a forest trained on the real rows."""
    parts = [
        (tables.features(rows, label=False), rows[:, tables.label].astype(int))
        for rows in (tables.fake, tables.train, tables.real)
    ]
    synthetic, real = (_scores(*parts[i], *parts[2], tables.seed) for i in (0, 1))
    return {
        "value": synthetic["accuracy"],
        "spread": float(np.sqrt(synthetic["accuracy"] * (1 - synthetic["accuracy"]) / len(tables.real))),
        "spread_kind": "standard error over test rows",
        "auc": synthetic["auc"],
        "f1": synthetic["f1"],
        **{f"trtr_{name}": value for name, value in real.items()},
    }
