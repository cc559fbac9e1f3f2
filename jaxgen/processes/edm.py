"""EDM: noise of standard deviation t is added, and a preconditioned network removes it (Karras et al. 2022)."""

import jax
import jax.numpy as jnp

from jaxgen.ops.random import example_normal

# Table 1 of the paper, last column: the deviation of the data, the largest and the smallest noise, and the spacing.
SIGMA_DATA = 0.5
SIGMA_MAX, SIGMA_MIN, RHO = 80.0, 0.002, 7.0
# The logarithm of the noise level in training is normal with this mean and standard deviation.
LOG_MEAN, LOG_STD = -1.2, 1.2
START = SIGMA_MAX


def times(steps: int) -> jax.Array:
    """Noise levels [steps + 1] from 80 to 0.002, and 0 (equation 5). `steps` must be 2 or more."""
    return jnp.append(reversible_times(steps - 1), 0.0)


def reversible_times(steps: int) -> jax.Array:
    """Noise levels [steps + 1] from 80 to 0.002. The velocity at 0 would be 0 / 0."""
    ends = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
    return jnp.linspace(*ends, steps + 1) ** RHO


def coefficients(t):
    """Signal and noise of the state at noise level t: 1 and t."""
    return jnp.ones_like(t), t


def denoise(network, x, t):
    """The network's estimate of the image behind x [B, ...] at noise level t, a scalar or [B] (equation 7)."""
    t = jnp.broadcast_to(t, x.shape[:1])
    level = t.reshape(-1, *(1,) * (x.ndim - 1))
    variance = jnp.square(level) + SIGMA_DATA**2
    outcome = network(x * jax.lax.rsqrt(variance), jnp.log(t) / 4)
    return SIGMA_DATA**2 / variance * x + level * SIGMA_DATA * jax.lax.rsqrt(variance) * outcome


def velocity(network, x, t):
    """dx/dt of the probability flow, where t is the noise level itself (equation 1 with sigma(t) = t)."""
    return (x - denoise(network, x, t)) / t


def loss(network, images, key, ids):
    """Weighted squared errors [B] of the denoised images, each a mean over dimensions (equations 2 and 8).

    The weight makes the target of the network itself have variance 1 at every noise level.

    Args:
      network: as in `jaxgen.processes`.
      images: [B, ...].
      key, ids: the noise and its level depend on `key` and the examples' numbers `ids` [B] alone.
    """
    keys = jax.random.split(key)
    t = jnp.exp(LOG_MEAN + LOG_STD * example_normal(keys[0], ids, ()))
    level = t.reshape(-1, *(1,) * (images.ndim - 1))
    noisy = images + level * example_normal(keys[1], ids, images.shape[1:])
    errors = jnp.square(denoise(network, noisy, t) - images)
    weight = (jnp.square(t) + SIGMA_DATA**2) / jnp.square(t * SIGMA_DATA)
    return weight * jnp.mean(errors, axis=tuple(range(1, images.ndim)))
