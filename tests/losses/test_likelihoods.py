"""Likelihoods are normalised, finite at extremes, and bounded where the maths says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxgen.losses.likelihoods import bernoulli, discretised_logistic, gaussian, logistic_mixture

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


@pytest.mark.full
def test_shown_images_stay_in_range():
    outputs = 50 * draw(0)
    mixture = 50 * jax.random.normal(jax.random.key(0), (3, 4, 4, logistic_mixture(2).output_channels(3)))
    shown_of = [(likelihood, outputs) for likelihood in (gaussian(), bernoulli(), discretised_logistic())]
    for likelihood, outputs in [*shown_of, (logistic_mixture(2), mixture)]:
        shown = np.asarray(likelihood.mean(outputs))
        assert shown.min() >= -1
        assert shown.max() <= 1


LEVELS = jnp.arange(256) / 127.5 - 1


def all_levels(channels=1):
    """Every image of one pixel: [256 ** channels, 1, 1, channels]."""
    grid = jnp.meshgrid(*[LEVELS] * channels, indexing="ij")
    return jnp.stack(grid, axis=-1).reshape(-1, 1, 1, channels)


@pytest.mark.parametrize("mean", [-3.0, -1.0, 0.013, 0.9, 1.0, 2.0])
@pytest.mark.parametrize("log_scale", [-20.0, -6.0, -2.0, 0.5, 20.0])
def test_discretised_logistic_sums_to_one(mean, log_scale):
    log_prob = discretised_logistic().log_prob({"log_scale": jnp.float32(log_scale)}, mean, all_levels())
    assert np.isfinite(log_prob).all()  # also where the mass is far below what float32 holds
    assert float(jnp.exp(log_prob).sum()) == pytest.approx(1.0, abs=2e-5)


def test_discretised_logistic_equals_scipys_differences():
    edges = np.concatenate([[-np.inf], np.arange(1, 256) / 127.5 - 1 - 1 / 255, [np.inf]])
    for mean, log_scale in ((0.1, -1.5), (-0.99, -3.0), (0.4, -6.9)):
        mass = np.diff(stats.logistic.cdf(edges, mean, np.exp(log_scale)))
        ours = discretised_logistic().log_prob({"log_scale": jnp.float32(log_scale)}, mean, all_levels())
        np.testing.assert_allclose(np.exp(ours), mass, atol=2e-6, rtol=1e-4)


def test_discretised_logistic_has_gradients_far_from_its_mean():
    log_prob = discretised_logistic().log_prob
    value, (slope, mean_slope) = jax.value_and_grad(
        lambda s, m: log_prob({"log_scale": s}, m, jnp.full((1, 1, 1, 1), LEVELS[200])).sum(), argnums=(0, 1)
    )(jnp.float32(-6.5), jnp.float32(-0.9))
    assert np.isfinite(value)
    assert float(slope) > 100  # a wider logistic would reach the level
    assert float(mean_slope) == pytest.approx(np.exp(6.5), rel=1e-2)


@pytest.mark.full
@pytest.mark.parametrize(("channels", "mixtures"), [(1, 1), (1, 4), (2, 1), (2, 3)])
def test_logistic_mixture_sums_to_one(channels, mixtures):
    likelihood = logistic_mixture(mixtures)
    outputs = 2 * jax.random.normal(jax.random.key(3), (1, 1, 1, likelihood.output_channels(channels)))
    x = all_levels(channels)
    log_prob = likelihood.log_prob({}, jnp.broadcast_to(outputs, (len(x), *outputs.shape[1:])), x)
    assert float(jnp.exp(log_prob).sum()) == pytest.approx(1.0, abs=1e-4)


def test_a_mixture_of_one_is_the_discretised_logistic():
    x = all_levels()
    outputs = jnp.array([0.7, 0.25, -2.0]).reshape(1, 1, 1, 3)  # one logit, one mean (which starts at -1), one scale
    ours = logistic_mixture(1).log_prob({}, outputs, x)
    np.testing.assert_allclose(ours, discretised_logistic().log_prob({"log_scale": -2.0}, -0.75, x), rtol=1e-5)


def test_colours_of_a_mixture_by_hand():
    """Two components, RGB: the weights are shared by the channels, means move with the channels before."""
    likelihood = logistic_mixture(2)
    assert [likelihood.output_channels(c) for c in (1, 3)] == [6, 20]  # K * 3, K * 10 as in PixelCNN++
    outputs = np.asarray(jax.random.normal(jax.random.key(5), (20,)))
    x = np.asarray(LEVELS)[[30, 128, 220]]
    logits, means, scales, c = outputs[:2], outputs[2:8].reshape(2, 3), outputs[8:14].reshape(2, 3), outputs[14:]
    means, c = means + np.array([[-1.0], [1.0]]), np.tanh(c.reshape(2, 3))
    weights, total = np.exp(logits) / np.exp(logits).sum(), 0.0
    for k in range(2):
        centres = means[k] + np.array([0, c[k, 0] * x[0], c[k, 1] * x[0] + c[k, 2] * x[1]])
        cdf = stats.logistic(centres, np.exp(scales[k])).cdf
        total += weights[k] * np.prod(cdf(x + 1 / 255) - cdf(x - 1 / 255))
    ours = likelihood.log_prob({}, jnp.asarray(outputs).reshape(1, 1, 1, 20), jnp.asarray(x).reshape(1, 1, 1, 3))
    assert float(ours[0]) == pytest.approx(np.log(total), rel=1e-4)
    centres = [means[k, 0] for k in range(2)]
    seconds = [means[k, 1] + c[k, 0] * means[k, 0] for k in range(2)]
    shown = np.asarray(likelihood.mean(jnp.asarray(outputs).reshape(1, 1, 1, 20)))[0, 0, 0, :2]
    np.testing.assert_allclose(shown, np.clip([weights @ centres, weights @ seconds], -1, 1), rtol=1e-4)
