"""Merged Gaussians and their KL divergence against SciPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from jaxgen.losses import ladder

A, B = (jnp.array([0.5, -2.0]), jnp.array([-0.3, 1.0])), (jnp.array([1.5, 0.0]), jnp.array([0.9, -2.0]))
X = np.linspace(-30, 30, 60_001)


def density(gaussian, i):
    return stats.norm(float(gaussian[0][i]), float(np.exp(0.5 * gaussian[1][i])))


@pytest.mark.parametrize("i", [0, 1])
def test_the_merge_is_the_normalised_product(i):
    product = density(A, i).pdf(X) * density(B, i).pdf(X)
    product /= integrate.simpson(product, x=X)
    np.testing.assert_allclose(density(ladder.merge(A, B), i).pdf(X), product, atol=1e-6)


@pytest.mark.parametrize("i", [0, 1])
def test_kl_equals_the_integral(i):
    q, p = density(A, i), density(B, i)
    expected = integrate.simpson(q.pdf(X) * (q.logpdf(X) - p.logpdf(X)), x=X)
    assert float(ladder.kl(A, B)[i]) == pytest.approx(expected, rel=1e-4)
    assert float(ladder.kl(A, A)[i]) == 0


def test_a_merge_with_a_flat_gaussian_changes_nothing_and_extremes_stay_finite():
    flat = jnp.zeros(2), jnp.full(2, 60.0)
    for merged, original in zip(ladder.merge(A, flat), A, strict=True):
        np.testing.assert_allclose(merged, original, rtol=1e-5)
    for bound in (-80.0, 80.0):
        extreme = jnp.ones(2), jnp.full(2, bound)
        assert all(np.isfinite(part).all() for part in ladder.merge(extreme, extreme))


def test_the_log_ratio_equals_scipy():
    noise = np.array([[0.3, -1.2]])
    z = np.asarray(A[0]) + np.exp(0.5 * np.asarray(A[1])) * noise
    expected = sum(density(B, i).logpdf(z[0, i]) - density(A, i).logpdf(z[0, i]) for i in (0, 1))
    np.testing.assert_allclose(ladder.log_ratio(noise, z, A[1], B), [expected], rtol=1e-5)
