"""Gamma latents against SciPy: draws, densities, KL divergences, and gradients in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import polygamma

from jaxgen.losses import gamma

KEY, IDS = jax.random.key(1), jnp.arange(20_000)


def column(value):
    return jnp.full((len(IDS), 1), value)


@pytest.mark.parametrize(("shape", "rate"), [(0.3, 1.0), (1.0, 0.5), (4.5, 3.0)])
@pytest.mark.parametrize("raised", [1, 10])
@pytest.mark.full
def test_draws_follow_their_distribution(shape, rate, raised):
    log_z, score = gamma.log_draws(KEY, IDS, column(shape), column(rate), raised)
    assert score.shape == IDS.shape
    draws = np.exp(np.asarray(log_z, np.float64)).ravel()
    assert stats.kstest(draws, stats.gamma(shape, scale=1 / rate).cdf).pvalue > 0.01
    assert draws.mean() == pytest.approx(shape / rate, rel=0.06)


def test_accepted_noise_makes_exact_draws_without_raising():
    noise = gamma.accepted_noise(KEY, IDS, column(1.0))
    draws = np.asarray(gamma.transformed(noise, 1.0)).ravel()
    assert draws.min() > 0
    assert stats.kstest(draws, stats.gamma(1.0).cdf).pvalue > 0.01
    assert stats.kstest(np.asarray(noise).ravel(), "norm").pvalue < 1e-3  # proposals were refused


@pytest.mark.full
def test_a_draw_belongs_to_its_number():
    shape = jnp.linspace(0.5, 3, 10)[:, None] * jnp.ones(3)
    whole = gamma.log_draws(KEY, jnp.arange(10), shape, shape, 4)[0]
    part = gamma.log_draws(KEY, jnp.arange(4, 7), shape[4:7], shape[4:7], 4)[0]
    np.testing.assert_allclose(part, whole[4:7], rtol=1e-5)


def gradient(f, shape, raised, with_score=True):
    """d/d shape of E f(log z), estimated with many draws, and its standard error."""

    def one(shape, i):
        log_z, score = gamma.log_draws(KEY, i[None], shape.reshape(1, 1), jnp.ones((1, 1)), raised)
        value = f(log_z[0, 0])
        return value + jax.lax.stop_gradient(value) * score[0] * with_score

    slopes = np.asarray(jax.vmap(jax.grad(one), (None, 0))(jnp.float32(shape), IDS), np.float64)
    return slopes.mean(), slopes.std() / np.sqrt(len(IDS))


@pytest.mark.full
@pytest.mark.parametrize(("shape", "raised"), [(1.2, 0), (0.7, 1), (3.0, 10)])
def test_gradients_are_those_of_the_expectations(shape, raised):
    """E z = a, E log z = digamma(a), E z^2 = a (a + 1) for a rate of 1."""
    for f, expected in (
        (jnp.exp, 1.0),
        (lambda log_z: log_z, float(polygamma(1, shape))),
        (lambda log_z: jnp.exp(2 * log_z), 2 * shape + 1),
    ):
        value, error = gradient(f, shape, raised)
        assert abs(value - expected) < 4 * error + 1e-3
        assert error < 0.1 * expected


def test_without_the_score_the_gradient_is_wrong():
    value, error = gradient(lambda log_z: log_z, 1.0, 0, with_score=False)
    assert abs(value - float(polygamma(1, 1.0))) > 8 * error


def test_density_and_kl_equal_scipy_and_an_integral():
    for shape, rate, prior in ((2.5, 1.5, (1.0, 1.0)), (0.6, 0.4, (2.0, 3.0))):
        q, p = stats.gamma(shape, scale=1 / rate), stats.gamma(prior[0], scale=1 / prior[1])
        z = np.array([0.01, 0.7, 4.0])
        np.testing.assert_allclose(gamma.log_density(jnp.log(z), shape, rate), q.logpdf(z), rtol=1e-4, atol=1e-5)
        log_z = np.linspace(np.log(1e-15), np.log(200), 20_001)
        z = np.exp(log_z)
        expected = integrate.simpson(z * q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), x=log_z)
        assert float(gamma.kl(shape, rate, *prior)) == pytest.approx(expected, rel=1e-4)
        assert float(gamma.kl(*prior, *prior)) == pytest.approx(0, abs=1e-6)
