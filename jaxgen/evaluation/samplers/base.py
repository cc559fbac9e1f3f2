"""The parts that all samplers of latents share."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import jax
import numpy as np

from jaxgen.metrics.extractors.statistics_file import Mismatch
from jaxgen.ops.random import example_normal, example_uniform


class LatentSampler(Protocol):
    """A fitted distribution of latents.

    facts: the source of the fit. They go into the records of metrics of its samples.
    """

    facts: Mapping[str, Any]

    def draw(self, key: jax.Array, ids: np.ndarray) -> np.ndarray:
        """Latents with the numbers `ids` of the key, float32 [n, Z]. The same number gives the same latent."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters, for a file."""
        ...


@partial(jax.jit, static_argnums=2)
def noise(key: jax.Array, ids: jax.Array, dimensions: int) -> tuple[jax.Array, jax.Array]:
    """A uniform number [n] and normal numbers [n, dimensions] for each of `ids` int32 [n]."""
    keys = jax.random.split(key)
    return example_uniform(keys[0], ids, ()), example_normal(keys[1], ids, (dimensions,))


def check_finite(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses arrays with numbers that are not finite.

    Raises:
      Mismatch: there are some.
    """
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise Mismatch("damaged (numbers that are not finite)")


def standardised(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents [N, Z] with mean 0 and deviation 1 in each dimension, the mean and the deviation, float32."""
    mean, deviation = latents.mean(0, dtype=np.float64), latents.std(0, dtype=np.float64)
    deviation = np.maximum(deviation, 1e-6)  # a constant dimension stays constant
    return tuple(np.asarray(x, np.float32) for x in ((latents - mean) / deviation, mean, deviation))
