"""Penalties of a regularised autoencoder against linear decoders, whose norms are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.losses import autoencoder_penalties as penalties

W = np.random.default_rng(0).normal(size=(3, 8))


def test_squared_slopes_average_to_the_norm_of_the_jacobian():
    probe = jnp.sign(jax.random.normal(jax.random.key(0), (4_000, 2, 2, 2)))
    latents = jax.random.normal(jax.random.key(1), (4_000, 3))
    values = penalties.squared_slopes(lambda z: (z @ W).reshape(-1, 2, 2, 2), latents, probe)
    assert values.shape == (4_000,)
    assert float(values.mean()) == pytest.approx(0.5 * np.sum(W**2), rel=0.05)
    scaled = penalties.squared_slopes(lambda z: 0.5 * jnp.square(z) @ W, latents, probe.reshape(-1, 8))
    jacobians = np.asarray(latents)[:, :, None] * W  # of a decoder that is not linear, at each code
    assert float(scaled.mean()) == pytest.approx(0.5 * np.mean(np.sum(jacobians**2, (1, 2))), rel=0.05)


def test_lengths_and_parameters_are_sums_of_squares():
    np.testing.assert_allclose(penalties.latent_length(jnp.array([[3.0, 4.0], [0.0, 2.0]])), [12.5, 2.0])
    assert float(penalties.squared_parameters({"a": jnp.array([1.0, 2.0]), "b": {"c": jnp.full((2, 2), 3.0)}})) == 41
