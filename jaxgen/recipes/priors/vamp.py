"""VampPrior (Tomczak and Welling 2018): a mixture of the posteriors of learned images."""

import math

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxgen.ops.random import example_normal, example_uniform
from jaxgen.recipes.priors.base import Prior
from jaxgen.settings.number_ranges import AT_LEAST_ONE, require

# Spread of the pseudo-inputs before tanh. Equal ones would stay equal.
_SPREAD = 0.5


def build(settings: ConfigDict, image_shape: tuple[int, ...]) -> Prior:
    """p(z) = 1/K sum_k q(z | u_k), with `pseudo_inputs` images u_k = tanh(parameters) (section 2.2, equation 9)."""
    require(settings, "config.recipe", AT_LEAST_ONE, "pseudo_inputs")
    count = settings.pseudo_inputs

    def init(key):
        return {"pseudo_inputs": _SPREAD * jax.random.normal(key, (count, *image_shape))}

    def components(parameters, encode):
        return encode(jnp.tanh(parameters["pseudo_inputs"]))

    def draw(parts, key, ids):
        mean, log_variance = parts
        keys = jax.random.split(key)
        chosen = jnp.minimum((example_uniform(keys[0], ids, ()) * count).astype(jnp.int32), count - 1)
        noise = example_normal(keys[1], ids, mean.shape[1:])
        return mean[chosen] + jnp.exp(0.5 * log_variance[chosen]) * noise

    return Prior(init, components, lambda parts, latents: log_over_normal(latents, *parts), draw)


def log_over_normal(latents: jax.Array, mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """The log-density of the mixture at z, minus that of N(0, I): [n, Z] and [K, Z] -> [n]. The constants cancel."""
    error = jnp.square(latents[:, None] - mean) * jnp.exp(-log_variance)
    exponents = -0.5 * jnp.sum(error + log_variance, axis=-1)
    mixture = jax.nn.logsumexp(exponents, axis=-1) - math.log(len(mean))
    return mixture + 0.5 * jnp.sum(jnp.square(latents), axis=-1)
