"""Flow matching on straight paths from noise at t = 0 to data at t = 1 (Lipman et al. 2023, Liu et al. 2023)."""

import jax
import jax.numpy as jnp

from jaxgen.ops.random import example_normal, example_uniform

START = 1.0


def times(steps: int) -> jax.Array:
    """Evenly spaced times [steps + 1] from 0 (noise) to 1 (data)."""
    return jnp.linspace(0.0, 1.0, steps + 1)


reversible_times = times  # the network itself is the velocity, so that none is singular


def coefficients(t):
    """Signal and noise of the state at time t: t and 1 - t."""
    return t, 1 - t


def denoise(network, x, t):
    """The end of the straight path from x [B, ...] at time t, a scalar or [B]."""
    left = 1 - jnp.broadcast_to(t, x.shape[:1]).reshape(-1, *(1,) * (x.ndim - 1))
    return x + left * velocity(network, x, t)


def velocity(network, x, t):
    """dx/dt of the flow: the network's output."""
    return network(x, jnp.broadcast_to(t, x.shape[:1]))


def loss(network, images, key, ids):
    """Squared errors [B] of the velocity, each a mean over dimensions (Lipman et al. 2023, equation 23, sigma_min = 0).

    Arguments as for `jaxgen.processes.edm.loss`. The time is uniform.
    """
    keys = jax.random.split(key)
    t = example_uniform(keys[0], ids, ())
    noise = example_normal(keys[1], ids, images.shape[1:])
    place = t.reshape(-1, *(1,) * (images.ndim - 1))
    errors = jnp.square(velocity(network, (1 - place) * noise + place * images, t) - (images - noise))
    return jnp.mean(errors, axis=tuple(range(1, images.ndim)))
