"""KL and ELBO against Monte Carlo and against exact values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxgen.losses.elbo import (
    beta_at,
    free_bits_kl,
    importance_weighted_bound,
    kl_to_standard_normal,
    log_prior_over_posterior,
    negative_elbo,
    reparameterize,
)


def test_kl_equals_monte_carlo():
    mean, log_variance = jnp.array([[0.7, -1.2]]), jnp.array([[-0.5, 0.8]])
    noise = jax.random.normal(jax.random.key(0), (400_000, 2))
    z = reparameterize(noise, mean, log_variance)
    log_q = -0.5 * (jnp.square(noise) + log_variance + jnp.log(2 * jnp.pi))
    log_p = -0.5 * (jnp.square(z) + jnp.log(2 * jnp.pi))
    np.testing.assert_allclose(kl_to_standard_normal(mean, log_variance)[0], jnp.mean(log_q - log_p, 0), atol=5e-3)


def test_kl_is_zero_at_the_prior_and_never_negative():
    assert float(kl_to_standard_normal(jnp.zeros(()), jnp.zeros(()))) == 0
    values = kl_to_standard_normal(jnp.zeros(2001), jnp.linspace(-1e-3, 1e-3, 2001))
    assert float(values.min()) >= 0


def test_reparameterized_moments():
    z = reparameterize(jax.random.normal(jax.random.key(1), (100_000, 1)), jnp.full((1, 1), 2.0), jnp.full((1, 1), 1.5))
    assert float(z.mean()) == pytest.approx(2.0, abs=0.03)
    assert float(z.var()) == pytest.approx(np.exp(1.5), rel=0.02)


def test_negative_elbo_sums_latents_and_keeps_examples_apart():
    kl = jnp.array([[1.0, 2.0], [0.5, 0.5]])
    np.testing.assert_allclose(negative_elbo(jnp.array([-10.0, -20.0]), kl), [13.0, 21.0])
    np.testing.assert_allclose(negative_elbo(jnp.array([-10.0, -20.0]), kl, 4.0), [22.0, 24.0])


def test_beta_rises_linearly_and_stays():
    values = [float(beta_at(jnp.int32(step), 4.0, 100)) for step in (0, 25, 100, 1000)]
    assert values == [0.0, 1.0, 4.0, 4.0]
    assert beta_at(jnp.int32(7), 4.0, 0) == 4.0


def test_free_bits_are_the_least_that_a_dimension_costs():
    mean_kl = jnp.array([0.1, 0.5, 3.0])
    assert float(free_bits_kl(mean_kl, 0.25)) == pytest.approx(0.25 + 0.5 + 3.0)
    np.testing.assert_array_equal(jax.grad(lambda kl: free_bits_kl(kl, 0.25))(mean_kl), [0, 1, 1])


def test_log_prior_over_posterior_equals_scipy():
    noise, mean, log_variance = (jax.random.normal(jax.random.key(i), (5, 3)) for i in range(3))
    z = reparameterize(noise, mean, log_variance)
    expected = stats.norm.logpdf(z) - stats.norm.logpdf(z, mean, np.exp(0.5 * log_variance))
    np.testing.assert_allclose(log_prior_over_posterior(noise, z, log_variance), expected.sum(-1), rtol=1e-4, atol=1e-5)


def test_importance_weighted_bound_averages_weights_not_their_logarithms():
    log_weights = jnp.log(jnp.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])) - 300  # as probabilities, all are 0 in float32
    np.testing.assert_allclose(importance_weighted_bound(log_weights, axis=1), np.log([2.0, 5.0]) - 300, rtol=1e-6)
