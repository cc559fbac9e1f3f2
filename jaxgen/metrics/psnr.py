"""Peak signal-to-noise ratio of pairs, in dB."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.metrics.base import Context
from jaxgen.metrics.collected import DATA_RANGE, Collected, mean_and_deviation, of_pairs

NEEDS = "reconstruct"
DIRECTION = "higher"
TITLE, UNIT = "PSNR", "dB"
MEANING = "How near a copy's pixels are to the original's. 10 dB more means a tenth of the squared error."
SETTINGS = ("data_range",)
MIN_SAMPLES = 1
EXTRACTOR = None


@functools.partial(jax.jit, static_argnames="data_range")
def psnr(a: jax.Array, b: jax.Array, data_range: float) -> jax.Array:
    """10 log10(data_range^2 / MSE) of each pair, [B]. Inf for an identical pair.

    Args:
      a, b: images [B, H, W, C] of any real dtype. Float64 stays float64, and all else becomes float32.
      data_range: largest minus smallest possible value: 255 for uint8, 2 for [-1, 1].
    """
    dtype = jnp.promote_types(jnp.result_type(a, b), jnp.float32)
    error = jnp.square(a.astype(dtype) - b.astype(dtype)).mean((1, 2, 3))
    return 10 * (2 * jnp.log10(jnp.asarray(data_range, dtype)) - jnp.log10(error))


def _mean_of_differing(values: np.ndarray) -> dict:
    # One exact copy among thousands would make the mean infinite and hide the rest, so those are counted apart.
    differing = values[np.isfinite(values)]
    out = {"value": float("inf"), "spread": None, "spread_kind": "standard deviation over images"}
    if len(differing):
        out = mean_and_deviation(differing)
    identical = len(values) - len(differing)
    out |= {"data_range": DATA_RANGE, "identical_pairs": identical}
    if identical:
        out["note"] = f"{identical} of {len(values)} pairs are identical (infinite dB) and left out of the mean"
    return out


def start(context: Context) -> Collected:
    """An accumulator of the mean dB over pairs that differ. `identical_pairs` counts the identical pairs."""
    return of_pairs(psnr, _mean_of_differing)
