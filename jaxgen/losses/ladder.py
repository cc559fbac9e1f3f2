"""Gaussians of a ladder VAE (Soenderby et al. 2016): their merge, and the KL divergence between two of them."""

import jax
import jax.numpy as jnp

Gaussian = tuple[jax.Array, jax.Array]  # mean and log-variance


def merge(first: Gaussian, second: Gaussian) -> Gaussian:
    """The product of two Gaussian densities, normalised: precisions add up.

    The log-variance is -log(exp(-v1) + exp(-v2)), finite for any v1 and v2.
    """
    log_variance = -jnp.logaddexp(-first[1], -second[1])
    # Shares of the precision, each in (0, 1).
    mean = first[0] * jnp.exp(log_variance - first[1]) + second[0] * jnp.exp(log_variance - second[1])
    return mean, log_variance


def kl(q: Gaussian, p: Gaussian) -> jax.Array:
    """KL(q || p) in nats per latent. It is never negative: exp(v) - 1 - v is computed by `expm1`."""
    difference = q[1] - p[1]
    return 0.5 * (jnp.square(q[0] - p[0]) * jnp.exp(-p[1]) + jnp.expm1(difference) - difference)


def log_ratio(noise: jax.Array, latents: jax.Array, q_log_variance: jax.Array, p: Gaussian) -> jax.Array:
    """log p(z) - log q(z) of z = mean_q + sigma_q * noise, [..., D] -> [...]. The constants cancel."""
    error = jnp.square(latents - p[0]) * jnp.exp(-p[1])
    return 0.5 * jnp.sum(jnp.square(noise) + q_log_variance - error - p[1], axis=-1)
