"""SAP score (Kumar et al. 2018, section 3) in the form with linear classifiers, as Locatello et al. 2019 measure it."""

import numpy as np

from jaxgen.metrics import disentanglement
from jaxgen.metrics.disentanglement import Codes, gaps, share_error

NEEDS = "encode"
DIRECTION = "higher"
TITLE, UNIT = "SAP (linear SVC)", ""
MEANING = (
    "How far the best code of each true factor is ahead of the second best, by a linear classifier of one code. "
    "A perfect code reaches `ceiling` only, since no line cuts out middle values."
)
SETTINGS = ("factors", "train_images")
MIN_SAMPLES = disentanglement.MIN_SAMPLES
FEWEST = 6
EXTRACTOR = None
USES = disentanglement.USES
_C = 0.01  # the weight of errors in Locatello et al. 2019
_UNUSED = 1e-12  # the standard deviation of a code that says nothing


def accuracies(train: Codes, test: Codes) -> np.ndarray:
    """Test accuracy of a linear support vector classifier of each factor from each code alone, [Z, K]."""
    from sklearn.svm import LinearSVC
    from threadpoolctl import threadpool_limits

    found = np.zeros((train.codes.shape[1], train.factors.shape[1]))
    with threadpool_limits(1):
        for i, j in np.ndindex(found.shape):
            x, y = train.codes[:, i : i + 1], train.factors[:, j]
            if x.std() <= _UNUSED or np.ptp(y) == 0:
                continue
            model = LinearSVC(C=_C, class_weight="balanced", random_state=train.seed).fit(x, y)
            found[i, j] = np.mean(model.predict(test.codes[:, i : i + 1]) == test.factors[:, j])
    return found


@disentanglement.on_codes
def start(codes: Codes) -> dict:
    """The mean gap, with the same of a perfect code of these images: the factors with mean 0 and variance 1."""
    train, test = codes.split()
    of_each = gaps(accuracies(train, test))
    mean, deviation = codes.factors.mean(0), codes.factors.std(0)
    perfect = [part._replace(codes=(part.factors - mean) / deviation) for part in (train, test)]
    ceiling = gaps(accuracies(*perfect))
    return {
        "value": float(of_each.mean()),
        "spread": share_error(of_each, len(test.codes)),
        "spread_kind": "standard error over test images",
        "ceiling": float(ceiling.mean()),
        "of_each_factor": codes.by_name(of_each),
        "ceiling_of_each_factor": codes.by_name(ceiling),
        "train_images": len(train.codes),
        "test_images": len(test.codes),
    }
