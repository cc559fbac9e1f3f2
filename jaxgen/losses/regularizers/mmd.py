"""Maximum mean discrepancy between the latents of a batch and the prior (InfoVAE, WAE-MMD).

InfoVAE (Zhao et al. 2019) minimises -log p(x|z) + (1 - alpha) KL + (alpha + lambda - 1) MMD. Here these
weights are `beta` and `regularizer_weight`. WAE-MMD (Tolstikhin et al. 2018, equation 4) has `beta` 0.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.losses.regularizers import require_pairs
from jaxgen.ops.random import example_normal
from jaxgen.settings import lookup
from jaxgen.settings.number_ranges import NOT_NEGATIVE, require

# The scales of the inverse multiquadratics whose sum is the kernel, as in the code of the WAE's authors.
_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def inverse_multiquadratic(squared_distance: jax.Array, dimensions: int) -> jax.Array:
    """sum_s C_s / (C_s + d^2) with C_s = 2 Z s. Two draws from the prior in Z dimensions have E d^2 = 2 Z."""
    return sum(2 * dimensions * scale / (2 * dimensions * scale + squared_distance) for scale in _SCALES)


def gaussian(squared_distance: jax.Array, dimensions: int) -> jax.Array:
    """exp(-d^2 / (2 Z))."""
    return jnp.exp(-squared_distance / (2 * dimensions))


KERNELS = {"imq": inverse_multiquadratic, "rbf": gaussian}


def squared_distances(x: jax.Array, y: jax.Array) -> jax.Array:
    """|x_i - y_j|^2 of rows x [N, Z] and y [M, Z], as [N, M]. Differences come first: they do not cancel."""
    return jnp.sum(jnp.square(x[:, None] - y[None]), axis=-1)


def mean_discrepancy(x: jax.Array, y: jax.Array, kernel: Callable) -> jax.Array:
    """The unbiased estimate of MMD^2 from two samples [B, Z] (Gretton et al. 2012). It may be negative.

    A row is not compared with itself. Every row of x is compared with every row of y.
    """
    count, dimensions = x.shape
    others = ~jnp.eye(count, dtype=bool)

    def within(sample):
        # Without the diagonal: its kernel is a constant.
        values = jnp.where(others, kernel(squared_distances(sample, sample), dimensions), 0.0)
        return jnp.sum(values) / (count * (count - 1))

    between = jnp.mean(kernel(squared_distances(x, y), dimensions))
    return within(x) + within(y) - 2 * between


def build(settings, num_examples: int) -> Callable:
    """The penalty. Keys: regularizer_weight, mmd_kernel ("imq" | "rbf").

    Raises:
      UserError: an unknown kernel, or a negative weight, which would maximise the discrepancy.
    """
    del num_examples
    require(settings, "config.recipe", NOT_NEGATIVE, "regularizer_weight")
    if settings.mmd_kernel not in KERNELS:
        raise UserError(lookup.unknown("config.recipe.mmd_kernel", settings.mmd_kernel, list(KERNELS)))
    weight, kernel = settings.regularizer_weight, KERNELS[settings.mmd_kernel]

    def penalty(codes, key, step):
        del step
        count = require_pairs(codes, "mmd")
        prior = example_normal(key, jnp.arange(count), codes.latents.shape[1:])
        discrepancy = mean_discrepancy(codes.latents, prior, kernel)
        return weight * discrepancy, {"mmd": discrepancy}

    return penalty
