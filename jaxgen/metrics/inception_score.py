"""Inception Score (Salimans et al. 2016): whether a classifier is sure of each sample and sees many classes.

It sees no real image, so it says nothing about images unlike the classifier's training data. A model that shows one
perfect image of each class has the best score.
"""

import numpy as np
from scipy.special import log_softmax, logsumexp

from jaxgen.metrics.base import CHOSEN, Context
from jaxgen.metrics.collected import Collected, of_features

NEEDS = "sample"
DIRECTION = "higher"
TITLE, UNIT = "classifier score", ""
CANONICAL_TITLE = "Inception Score"
MEANING = "Whether a classifier is sure of each sample and sees many classes. It does not use real images."
SETTINGS = ("splits",)
SPLITS = 10
# A tenth must show the share of each of about 1,000 classes; with fewer the score is too low.
MIN_SAMPLES = 5000
EXTRACTOR = CHOSEN
LOGITS = True  # The network must have its classifier.
# Another classifier's score is no Inception Score: `classifier_score_efficientnet_lite0`.
PREFIX = "classifier_score"
FEW = "with few samples the score is too low, and the bias depends on the model"


def inception_scores(logits: np.ndarray, splits: int, seed: int) -> np.ndarray:
    """exp(mean_x KL(p(y|x) || mean_x p(y|x))) of each random split of the samples, [splits], in float64.

    Args:
      logits: [n, classes], shuffled before they are split.
    """
    order = np.random.default_rng(seed).permutation(len(logits))
    scores = []
    for part in np.array_split(order, min(splits, len(logits))):
        log_p = log_softmax(logits[part].astype(np.float64), axis=1)
        log_marginal = logsumexp(log_p, axis=0) - np.log(len(part))
        scores.append(np.exp((np.exp(log_p) * (log_p - log_marginal)).sum(1).mean()))
    return np.array(scores)


def start(context: Context) -> Collected:
    """An accumulator of the mean score over splits."""

    def finish(logits: np.ndarray) -> dict:
        scores = inception_scores(logits, SPLITS, context.seed)
        return {
            "value": float(scores.mean()),
            "spread": float(scores.std()),
            "spread_kind": "standard deviation over splits",
            "splits": len(scores),
        }

    return of_features(context.extractor, finish, logits=True)
