"""Categorical latents: the Gumbel-softmax relaxation, exact draws and the KL divergence to a uniform prior."""

import math

import jax
import jax.numpy as jnp

# The least uniform number: log of 0 would be infinite.
_TINY = 1e-30


def gumbel(uniform: jax.Array) -> jax.Array:
    """Standard Gumbel noise from uniform numbers in [0, 1)."""
    return -jnp.log(-jnp.log(jnp.maximum(uniform, _TINY)))


def relaxed(log_probabilities: jax.Array, noise: jax.Array, temperature: float | jax.Array) -> jax.Array:
    """softmax((log pi + g) / temperature) over the last axis (Jang et al. 2017, equation 2)."""
    return jax.nn.softmax((log_probabilities + noise) / temperature)


def one_hot_maximum(scores: jax.Array) -> jax.Array:
    """One-hot vectors of the largest score. With Gumbel noise on log pi it is an exact draw (Gumbel 1954)."""
    return jax.nn.one_hot(jnp.argmax(scores, axis=-1), scores.shape[-1])


def straight_through(soft: jax.Array) -> jax.Array:
    """One-hot in value, with the gradient of the relaxed draw (Jang et al. 2017, section 2.2)."""
    return one_hot_maximum(soft) + soft - jax.lax.stop_gradient(soft)


def kl_to_uniform(log_probabilities: jax.Array) -> jax.Array:
    """KL(pi || uniform) = log K - entropy in nats, [..., K] -> [...]."""
    negative_entropy = jnp.sum(jnp.exp(log_probabilities) * log_probabilities, axis=-1)
    return math.log(log_probabilities.shape[-1]) + negative_entropy


def temperature_at(step: jax.Array, start: float, least: float, rate: float) -> jax.Array:
    """max(least, start * exp(-rate * step)), the annealing of Jang et al. 2017, section 4.1."""
    return jnp.maximum(least, start * jnp.exp(-rate * step))
