"""Likelihoods are normalised, finite at extremes, and bounded where the maths says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxgen.losses.likelihoods import bernoulli, gaussian

SHAPE = (3, 4, 4, 1)


def draw(seed):
    return jax.random.normal(jax.random.key(seed), SHAPE)


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_fixed_gaussian_equals_scipy(sigma):
    likelihood = gaussian(sigma)
    x, mu = np.asarray(draw(0)), np.asarray(draw(1))
    expected = stats.norm.logpdf(x, mu, sigma).sum(axis=(1, 2, 3))
    assert likelihood.init() == {}
    np.testing.assert_allclose(likelihood.log_prob({}, mu, x), expected, rtol=1e-5)


def test_learned_sigma_is_optimal_at_the_mean_squared_error():
    likelihood = gaussian()
    x, mu = draw(0), draw(1)
    best = 0.5 * jnp.log(jnp.mean(jnp.square(x - mu)))  # sigma-VAE: sigma^2 = MSE
    gradient = jax.grad(lambda s: likelihood.log_prob({"log_sigma": s}, mu, x).sum())(best)
    assert abs(float(gradient)) < 1e-3
    assert likelihood.init()["log_sigma"] == 0


def test_learned_sigma_stays_away_from_zero():
    value = gaussian().log_prob({"log_sigma": jnp.float32(-50)}, draw(0), draw(0))
    assert np.all(np.isfinite(value))


def test_bernoulli_probabilities_of_one_pixel_sum_to_one():
    logit = jnp.full((1, 1, 1, 1), 0.7)
    both = [float(jnp.exp(bernoulli().log_prob({}, logit, jnp.full((1, 1, 1, 1), x)))[0]) for x in (-1.0, 1.0)]
    assert sum(both) == pytest.approx(1.0, abs=1e-6)
    assert both[1] == pytest.approx(float(jax.nn.sigmoid(0.7)), abs=1e-6)


def test_bernoulli_is_finite_at_large_logits():
    for outcome in (-1.0, 1.0):
        for logit in (-200.0, 200.0):
            assert np.isfinite(bernoulli().log_prob({}, jnp.full(SHAPE, logit), jnp.full(SHAPE, outcome))).all()


def test_dynamic_binarisation_draws_with_the_gray_value_as_probability():
    images = jnp.full((64, 16, 16, 1), 2 * 0.3 - 1)
    observed = bernoulli().observe(images, jax.random.key(0), jnp.arange(64))
    assert set(np.unique(observed)) == {-1.0, 1.0}
    assert float((observed > 0).mean()) == pytest.approx(0.3, abs=0.02)
    again = bernoulli().observe(images[3:5], jax.random.key(0), jnp.arange(3, 5))
    np.testing.assert_array_equal(again, observed[3:5])  # belongs to the example, not to the batch


def test_threshold_binarisation_is_fixed():
    images = jnp.array([-1.0, -0.1, 0.1, 1.0]).reshape(1, 2, 2, 1)
    observed = bernoulli("threshold").observe(images, jax.random.key(0), jnp.arange(1))
    np.testing.assert_array_equal(observed.ravel(), [-1, -1, 1, 1])


def test_shown_images_stay_in_range():
    outputs = 50 * draw(0)
    for likelihood in (gaussian(), bernoulli()):
        shown = np.asarray(likelihood.mean(outputs))
        assert shown.min() >= -1
        assert shown.max() <= 1
