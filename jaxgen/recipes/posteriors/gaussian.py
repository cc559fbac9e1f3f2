"""Diagonal Gaussian posterior and standard normal prior (Kingma and Welling 2014)."""

import jax
import jax.numpy as jnp

from jaxgen.losses import elbo
from jaxgen.ops.random import example_normal
from jaxgen.recipes.posteriors.base import Draws, Encoded, Posterior


def build(settings, latent_dim: int) -> Posterior:
    """The family. It reads no settings."""
    del settings

    def draw(encoded: Encoded, key: jax.Array, ids: jax.Array, draws: int, step: jax.Array) -> Draws:
        del step
        # Draws of an example lie together: with the device's examples in order, so are all draws of the global batch.
        noise = example_normal(key, ids, (latent_dim,) if draws == 1 else (draws, latent_dim))
        noise = noise.reshape(-1, latent_dim)
        mean, log_variance = (jnp.repeat(x, draws, axis=0) if draws > 1 else x for x in encoded)
        latents = elbo.reparameterize(noise, mean, log_variance)
        return Draws(latents, elbo.log_prior_over_posterior(noise, latents, log_variance))

    def exact(encoded: Encoded, key: jax.Array, ids: jax.Array) -> tuple[jax.Array, jax.Array]:
        return draw(encoded, key, ids, 1, jnp.int32(0))[:2]

    def prior(key: jax.Array, ids: jax.Array) -> jax.Array:
        return example_normal(key, ids, (latent_dim,))

    def kl(encoded: Encoded) -> jax.Array:
        return elbo.kl_to_standard_normal(*encoded)

    return Posterior(draw, exact, kl, lambda encoded: encoded[0], prior, gaussian=True)
