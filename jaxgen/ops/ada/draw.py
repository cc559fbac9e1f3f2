"""Random numbers of one image's augmentations: each is drawn, then kept with probability p."""

import jax
import jax.numpy as jnp

from jaxgen.ops.random import example_normal, example_uniform


class Draw:
    """Draws for the examples `ids` of the global batch; every call takes a key of its own, in the order of the calls.

    Args:
      key: of this use of the pipeline.
      ids: [N] global example numbers.
      strength: p, the probability of each augmentation; a traced scalar in [0, 1].
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
        """Rows of `values` [N, ...] with probability p (or another), elsewhere what changes nothing."""
        keep = self.uniform() < (self.strength if probability is None else probability)
        return jnp.where(keep.reshape(-1, *[1] * (values.ndim - 1)), values, otherwise)
