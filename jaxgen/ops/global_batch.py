"""Means and sums over the batch of all devices, with gradients through them. Inside `shard_map` over `DATA_AXIS`.

Each device's gradient of its own mean loss holds what all devices' losses owe to its examples. The mean of these
gradients over devices, which `descend` takes, is thus the gradient of the mean loss of the global batch.
"""

import jax
import jax.numpy as jnp

from jaxgen.ops.across_devices import varying_axes
from jaxgen.ops.random import DATA_AXIS


def mean(x: jax.Array) -> jax.Array:
    """The mean of all numbers of all devices, a scalar. Devices have equally many numbers."""
    own = jnp.mean(x)
    return jax.lax.pmean(own, DATA_AXIS) if DATA_AXIS in varying_axes(own) else own


def logsumexp(x: jax.Array) -> jax.Array:
    """ln of the sum of exp(x) over all numbers of all devices, a scalar. It is finite for any finite numbers."""
    top = jax.lax.stop_gradient(jnp.max(x))
    divided = DATA_AXIS in varying_axes(top)
    if divided:
        top = jax.lax.pmax(top, DATA_AXIS)
    total = jnp.sum(jnp.exp(x - top))
    return top + jnp.log(jax.lax.psum(total, DATA_AXIS) if divided else total)
