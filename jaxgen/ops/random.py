"""Random numbers that depend on the example and not on the device: equal on 1 device and on 8."""

import jax
import jax.numpy as jnp

# The mesh axis over which examples are spread. `training.parallel` makes the mesh; ops and recipes only name the axis.
DATA_AXIS = "data"


def example_ids(count: int) -> jax.Array:
    """Global numbers [count] of this device's examples within the batch. Inside `shard_map` over `DATA_AXIS` only.

    Device d of D has the examples d, D + d, 2D + d, and so on. A group that strides over the batch (as in minibatch
    standard deviation) thus lies on one device. It does not depend on the number of devices.
    """
    return jnp.arange(count) * jax.lax.axis_size(DATA_AXIS) + jax.lax.axis_index(DATA_AXIS)


def places_of(numbers: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Positions of the batch's examples: index within a device's share, and whether the share is this device's.

    This is the inverse of `example_ids`. Inside `shard_map` over `DATA_AXIS` only.
    """
    devices = jax.lax.axis_size(DATA_AXIS)
    return numbers // devices, numbers % devices == jax.lax.axis_index(DATA_AXIS)


def example_normal(key: jax.Array, ids: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Standard normal numbers [len(ids), *shape] where row i depends on `key` and `ids[i]` alone."""
    return jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i), shape))(ids)


def example_uniform(key: jax.Array, ids: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Uniform numbers in [0, 1), [len(ids), *shape], where row i depends on `key` and `ids[i]` alone."""
    return jax.vmap(lambda i: jax.random.uniform(jax.random.fold_in(key, i), shape))(ids)


class Draw:
    """Draws of augmentations for the examples `ids` of the global batch. Every call, in order, has its own key.

    Args:
      key: the key of this use of the pipeline.
      ids: [N] global example numbers.
      strength: p, the probability of each augmentation, a traced scalar in [0, 1].
    """

    def __init__(self, key: jax.Array, ids: jax.Array, strength: jax.Array):
        self._key, self._ids, self.strength, self._calls = key, ids, strength, 0

    def _next(self) -> jax.Array:
        self._calls += 1
        return jax.random.fold_in(self._key, self._calls)

    def uniform(self, *shape: int) -> jax.Array:
        """[N, *shape] in [0, 1)."""
        return example_uniform(self._next(), self._ids, shape)

    def normal(self, *shape: int) -> jax.Array:
        """[N, *shape], standard normal."""
        return example_normal(self._next(), self._ids, shape)

    def kept(self, values: jax.Array, otherwise: float, probability: jax.Array | None = None) -> jax.Array:
        """Rows of `values` [N, ...] with probability p (or another), else the neutral value."""
        keep = self.uniform() < (self.strength if probability is None else probability)
        return jnp.where(keep.reshape(-1, *[1] * (values.ndim - 1)), values, otherwise)
