"""gamma |KL - C|, with a capacity C that grows: disentangled beta-VAE (Burgess et al. 2018)."""

from collections.abc import Callable

import jax.numpy as jnp

from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require

REPLACES_KL = True


def build(settings, num_examples: int) -> Callable:
    """The penalty. Keys: regularizer_weight (gamma), capacity (the last C, in nats), capacity_steps (until then).

    KL is the mean over the batch, summed over the latents. C rises linearly from 0.

    Raises:
      UserError: a number that cannot be.
    """
    del num_examples
    require(settings, "config.recipe", NOT_NEGATIVE, "regularizer_weight", "capacity")
    require(settings, "config.recipe", AT_LEAST_ONE, "capacity_steps")
    gamma, capacity, steps = settings.regularizer_weight, settings.capacity, settings.capacity_steps

    def penalty(codes, key, step):
        del key
        present = capacity * jnp.minimum(1.0, step / steps)
        return gamma * jnp.abs(jnp.mean(jnp.sum(codes.kl, axis=-1)) - present), {"capacity": present}

    return penalty
