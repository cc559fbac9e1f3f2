"""Losses of further outputs, against SciPy's softmax and sums in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import log_softmax, softmax

from jaxgen.losses import heads
from tests.losses.test_energies import over_devices

LOGITS = np.random.default_rng(0).normal(0, 3, (6, 4)).astype(np.float32)
LABELS = np.array([0, 3, 1, 1, 2, 0])


def test_class_nats_have_one_softmax():
    expected = -log_softmax(LOGITS.astype(float), axis=1)[np.arange(6), LABELS]
    np.testing.assert_allclose(heads.class_nats(LOGITS, LABELS), expected, rtol=1e-5)
    np.testing.assert_allclose(heads.accuracy(LOGITS, LABELS), np.mean(LOGITS.argmax(1) == LABELS), rtol=1e-6)


def test_the_logit_of_real_is_that_of_a_softmax_with_one_more_class():
    with_fake = np.concatenate([LOGITS.astype(float), np.zeros((6, 1))], axis=1)
    probability = 1 - softmax(with_fake, axis=1)[:, -1]
    np.testing.assert_allclose(jax.nn.sigmoid(heads.real_logit(LOGITS)), probability, rtol=1e-5)
    assert np.isfinite(heads.real_logit(jnp.array([[900.0, -900.0]]))).all()


def test_feature_matching_is_a_squared_distance_of_means_on_any_number_of_devices():
    real, fake = np.random.default_rng(1).normal(size=(2, 8, 5)).astype(np.float32)

    def loss(both):
        return heads.feature_matching(both[:, 0], both[:, 1])

    both = np.stack([real, fake], axis=1)
    value, gradient = jax.value_and_grad(loss)(both)
    np.testing.assert_allclose(value, np.sum((real.mean(0) - fake.mean(0)) ** 2), rtol=1e-5)
    np.testing.assert_allclose(gradient[:, 1], np.tile(2 * (fake.mean(0) - real.mean(0)) / 8, (8, 1)), atol=1e-6)
    shared = over_devices(loss, both, 4)
    np.testing.assert_allclose(shared[0], value, rtol=1e-5)
    np.testing.assert_allclose(shared[1], gradient, atol=1e-6)
