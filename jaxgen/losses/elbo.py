"""The evidence lower bound of a VAE with a standard normal prior and a diagonal Gaussian posterior."""

import jax
import jax.numpy as jnp


def kl_to_standard_normal(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats per latent, [B, D] -> [B, D]; Kingma and Welling 2014, app. B.

    Never negative: exp(v) - 1 - v is computed by `expm1`, without cancellation near v = 0.
    """
    return 0.5 * (jnp.square(mean) + jnp.expm1(log_variance) - log_variance)


def reparameterize(noise: jax.Array, mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """z = mean + sigma * noise, all [B, D]; Kingma and Welling 2014, equation 10."""
    return mean + jnp.exp(0.5 * log_variance) * noise


def negative_elbo(log_likelihood: jax.Array, kl: jax.Array, beta: float | jax.Array = 1.0) -> jax.Array:
    """-log p(x|z) + beta KL in nats per example.

    Args:
      log_likelihood: [B], summed over pixels.
      kl: [B, D], summed here over the latents.
      beta: weight of the KL term (Higgins et al. 2017, equation 4); the bound itself has beta = 1.
    """
    return -log_likelihood + beta * jnp.sum(kl, axis=-1)
