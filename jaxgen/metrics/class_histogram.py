"""Compares the class shares of samples and of real images, as a classifier sees both.

The classifier is multinomial logistic regression on the network's features, fitted to labelled training images. Its
mistakes blur both histograms alike. `classifier_accuracy` gives its accuracy.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from jaxgen.errors import UserError
from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected, indices, of_features

NEEDS = "sample"
DIRECTION = "lower"
TITLE, UNIT = "class histogram distance", ""
MEANING = (
    "How far the class shares of the samples are from the data's (0: equal, 1: disjoint). Dropped "
    "classes make it large."
)
SETTINGS = ("classifier_examples", "missing_below")
MIN_SAMPLES = 1000
EXTRACTOR = CHOSEN
USES = ("train.features", "train.labels", "real.features")
FEW = "shares of few images are coarse"
# More labelled images take long to fit and hardly improve the classifier; a seeded choice of them is used.
MAX_TRAIN = 10_000
# A class counts as missing below this fraction of its real share: the classifier's mistakes seldom leave it empty.
MISSING = 0.1
_BOOTSTRAPS = 1000


def fit(features: np.ndarray, labels: np.ndarray, seed: int) -> Pipeline:
    """The classifier, fitted to at most MAX_TRAIN features [n, D] with labels [n]."""
    if len(np.unique(labels)) < 2:
        raise UserError("class_histogram: the training labels contain one class only. Leave the metric out")
    chosen = indices(len(features), MAX_TRAIN, seed)
    # Strong regularisation: a thousand features and more separate a few thousand images at any rate.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    return model.fit(features[chosen], labels[chosen])


def compare(fake: np.ndarray, real: np.ndarray, seed: int) -> dict:
    """Total variation and Kullback-Leibler divergence between two histograms of classes, with bootstrap spread.

    Args:
      fake, real: counts [classes].

    Returns:
      value: sum |p - q| / 2, in [0, 1]. `value_by_chance`: its mean if both came from the pooled shares.
      kl: sum p log(p / q) in nats from real shares q to sample shares p, with half an image added to each class.
    """
    random = np.random.default_rng(seed)
    n, n_real = fake.sum(), real.sum()
    p, q, pooled = fake / n, real / n_real, (fake + real) / (n + n_real)
    resampled = random.multinomial(n, p, _BOOTSTRAPS) / n
    equal = random.multinomial(n, pooled, _BOOTSTRAPS) / n - random.multinomial(n_real, pooled, _BOOTSTRAPS) / n_real
    p_half, q_half = ((counts + 0.5) / (counts + 0.5).sum() for counts in (fake, real))
    return {
        "value": float(np.abs(p - q).sum() / 2),
        "spread": float((np.abs(resampled - q).sum(1) / 2).std()),
        "spread_kind": "bootstrap standard deviation over samples",
        "value_by_chance": float((np.abs(equal).sum(1) / 2).mean()),
        "kl": float((p_half * np.log(p_half / q_half)).sum()),
        "missing_classes": int(((p < MISSING * q) & (q > 0)).sum()),
        "missing_below": MISSING,
    }


def start(context: Context) -> Collected:
    """An accumulator of the total variation distance between predicted classes of samples and of real images."""
    real, train = context.real, context.train
    features = real.features(context.extractor)
    model = fit(train.features(context.extractor), train.labels, context.seed)
    count = max(len(train.class_names), int(train.labels.max()) + 1)
    names = [*train.class_names, *(str(i) for i in range(len(train.class_names), count))]
    predicted = model.predict(features)
    counts_real = np.bincount(predicted, minlength=count)
    accuracy = None if real.labels is None else float(np.mean(predicted == real.labels))

    def finish(fake: np.ndarray) -> dict:
        counts = np.bincount(model.predict(fake), minlength=count)
        return {
            **compare(counts, counts_real, context.seed),
            "shares": dict(zip(names, (counts / counts.sum()).tolist(), strict=True)),
            "shares_real": dict(zip(names, (counts_real / counts_real.sum()).tolist(), strict=True)),
            "classifier_accuracy": accuracy,
            "classifier_examples": min(MAX_TRAIN, len(train.labels)),
        }

    return of_features(context.extractor, finish)
