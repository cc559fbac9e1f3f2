"""Sliced Wasserstein distance between the latents of a batch and the prior (SWAE, Kolouri et al. 2019)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.ops.random import example_normal
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require


def sliced_distance(x: jax.Array, y: jax.Array, directions: jax.Array) -> jax.Array:
    """The mean over unit directions [S, Z] of the squared 2-Wasserstein distance of x and y [B, Z] along each.

    In one dimension the best transport pairs sorted values.
    """
    x, y = (jnp.sort(sample @ directions.T, axis=0) for sample in (x, y))
    return jnp.mean(jnp.square(x - y))


def build(settings, num_examples: int) -> Callable:
    """The penalty. Keys: regularizer_weight, projections (the number of directions, new ones in each step).

    Raises:
      UserError: a number that cannot be.
    """
    del num_examples
    require(settings, "config.recipe", NOT_NEGATIVE, "regularizer_weight")
    require(settings, "config.recipe", AT_LEAST_ONE, "projections")
    weight, count = settings.regularizer_weight, settings.projections

    def penalty(codes, key, step):
        del step
        key_prior, key_directions = jax.random.split(key)
        batch, dimensions = codes.latents.shape
        prior = example_normal(key_prior, jnp.arange(batch), (dimensions,))
        directions = jax.random.normal(key_directions, (count, dimensions))
        directions = directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
        distance = sliced_distance(codes.latents, prior, directions)
        return weight * distance, {"sliced_wasserstein": distance}

    return penalty
