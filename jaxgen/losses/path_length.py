"""Path length regularisation (Karras et al. 2020, section 3.2): a step in w changes the image by a fixed amount."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.losses.penalties import root


def path_lengths(synthesize: Callable, ws: jax.Array, noise: jax.Array) -> jax.Array:
    """|J^T y| [N], the length of the gradient of <image, y> with respect to each image's styles; equation 4.

    Args:
      synthesize: `ws -> images [N, H, W, C]`, each from its own styles alone.
      ws: [N, L, D], one w for each layer; lengths are over D, their squares averaged over L.
      noise: y before its division by sqrt(H * W), standard normal [N, H, W, C].
    """
    _, height, width, _ = noise.shape
    noise = noise / math.sqrt(height * width)
    gradient = jax.grad(lambda ws: jnp.sum(synthesize(ws) * noise))(ws)
    squared = jnp.mean(jnp.sum(jnp.square(gradient), axis=2), axis=1)
    return root(squared)  # a saturated image has no gradient


def path_length_penalty(lengths: jax.Array, mean: jax.Array, decay: float, batch_mean: jax.Array):
    """(|J^T y| - a)^2 [N], and the new a.

    Args:
      lengths: [N]. mean: a so far, a scalar, 0 at the start. decay: share of the batch in the new a (0.01).
      batch_mean: the mean of the lengths over all devices.

    Returns:
      The penalties, through whose a the gradient flows as through the lengths, and a without a gradient.
    """
    mean = mean + decay * (batch_mean - mean)
    return jnp.square(lengths - mean), jax.lax.stop_gradient(mean)
