import numpy as np
import pytest

from jaxgen.metrics import inception_score
from jaxgen.metrics.base import result_name
from jaxgen.metrics.inception_score import inception_scores

from .stand_ins import given, measure, projection


def _logits(seed, n=600, classes=20, scale=3.0):
    return (scale * np.random.default_rng(seed).normal(size=(n, classes))).astype(np.float32)


def _definition(logits, splits, seed):
    order = np.random.default_rng(seed).permutation(len(logits))
    p = np.exp(logits.astype(np.float64))
    p = (p / p.sum(1, keepdims=True))[order]
    n, scores = len(p) // splits, []
    for i in range(splits):
        part = p[i * n : (i + 1) * n]
        marginal = part.mean(0)
        scores.append(np.exp(np.mean([np.sum(row * np.log(row / marginal)) for row in part])))
    return np.array(scores)


def test_equals_the_definition():
    logits = _logits(0)
    np.testing.assert_allclose(inception_scores(logits, 10, 3), _definition(logits, 10, 3), rtol=1e-12)


def test_certain_and_even_predictions_score_the_number_of_classes_and_unsure_ones_one():
    certain = 1e4 * np.eye(5, dtype=np.float32)[np.arange(500) % 5]
    np.testing.assert_allclose(inception_scores(certain, 1, 0), [5], rtol=1e-12)
    np.testing.assert_allclose(inception_scores(certain[:1].repeat(500, 0), 10, 0), np.ones(10), rtol=1e-12)
    np.testing.assert_allclose(inception_scores(np.zeros((500, 5), np.float32), 10, 0), np.ones(10), rtol=1e-12)


def test_samples_in_order_of_class_are_shuffled_before_the_split():
    certain = 100 * np.eye(5, dtype=np.float32)[np.repeat(np.arange(5), 200)]
    assert inception_scores(certain, 10, 0).min() > 4.6


def test_mean_and_spread_over_splits_of_any_batch_size():
    logits = _logits(1)
    results = [measure(inception_score, logits, extractor=given(), batch_size=size) for size in (7, 600)]
    assert results[0] == results[1]
    scores = _definition(logits, 10, 0)
    assert results[0]["value"] == pytest.approx(scores.mean(), rel=1e-12)
    assert results[0]["spread"] == pytest.approx(scores.std(), rel=1e-9)
    assert results[0]["splits"] == 10


def test_another_classifiers_score_is_no_inception_score():
    other = projection()._replace(label="efficientnet_lite0")
    assert result_name("inception_score", inception_score, "sample", other) == "classifier_score_efficientnet_lite0"
    assert result_name("inception_score", inception_score, "sample", other._replace(canonical=True)) == (
        "inception_score"
    )
