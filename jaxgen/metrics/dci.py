"""Disentanglement, completeness and informativeness (Eastwood and Williams 2018) by gradient boosting."""

import numpy as np

from jaxgen.metrics import disentanglement
from jaxgen.metrics.collected import no_number
from jaxgen.metrics.disentanglement import Codes, entropy, share_error

NEEDS = "encode"
DIRECTION = "higher"
TITLE, UNIT = "DCI disentanglement", ""
MEANING = (
    "Whether each code is important for one true factor only. Importances come from gradient boosted trees. "
    "`completeness` and `informativeness` are in the record."
)
SETTINGS = ("factors", "rounds", "train_images")
MIN_SAMPLES = disentanglement.MIN_SAMPLES
FEWEST = 6
EXTRACTOR = None
USES = disentanglement.USES
# The budget: this number of trees for each value of each factor. The usual number is 100.
ROUNDS = 10
_LEARNING_RATE = 0.5
_MOST_TRAIN = 5_000


def importances(train: Codes, test: Codes, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Importance of each code for each factor [Z, K], which sums to 1 over the codes, and test accuracies [K]."""
    from sklearn.ensemble import GradientBoostingClassifier

    importance, accuracy = np.zeros((train.codes.shape[1], len(train.names))), np.zeros(len(train.names))
    for j in range(len(train.names)):
        x, y = train.codes, train.factors[:, j]
        if np.ptp(y) == 0:
            accuracy[j] = np.mean(test.factors[:, j] == y[0])
            continue
        model = GradientBoostingClassifier(
            n_estimators=rounds, learning_rate=_LEARNING_RATE, subsample=0.5, random_state=train.seed
        ).fit(x, y)
        importance[:, j] = model.feature_importances_
        accuracy[j] = np.mean(model.predict(test.codes) == test.factors[:, j])
    return importance, accuracy


def disentanglement_of(importance: np.ndarray) -> float:
    """1 minus the entropy of each code's importances, in units of ln K, as a mean weighted by importance (eq. 1, 2).

    importance: [Z, K], not negative, with K at least 2.
    """
    of_code = importance.sum(1)
    used = importance[of_code > 0]
    if not len(used):
        return 0.0
    certain = 1 - entropy(used) / np.log(importance.shape[1])
    return float(np.sum(certain * used.sum(1)) / of_code.sum())


@disentanglement.on_codes
def start(codes: Codes) -> dict:
    """Disentanglement D as the value, completeness C, and informativeness I as the mean test accuracy."""
    if min(codes.factors.shape[1], codes.codes.shape[1]) < 2:
        return no_number("it needs two factors that vary and two codes")
    train, test = codes.split()
    train = train.rows(np.arange(len(train.codes))[:_MOST_TRAIN])
    importance, accuracy = importances(train, test, ROUNDS)
    return {
        "value": disentanglement_of(importance),
        "spread": None,
        "spread_kind": "none: one fit",
        "completeness": disentanglement_of(importance.T),
        "informativeness": float(accuracy.mean()),
        "informativeness_standard_error": share_error(accuracy, len(test.codes)),
        "accuracy_of_each_factor": codes.by_name(accuracy),
        "importance": importance.tolist(),
        "rounds": ROUNDS,
        "trees": int(ROUNDS * sum(values if values > 2 else 1 for values in map(len, map(np.unique, train.factors.T)))),
        "train_images": len(train.codes),
        "test_images": len(test.codes),
    }
