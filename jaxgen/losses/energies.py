"""Losses of discriminators that are autoencoders: the energy of an image is the error of its reconstruction."""

import jax
import jax.numpy as jnp

from jaxgen.losses.penalties import root
from jaxgen.ops.across_devices import varying_axes
from jaxgen.ops.random import DATA_AXIS

# Keeps the direction of a code of zeros finite.
_SMALLEST = 1e-12


def euclidean(images: jax.Array, reconstructions: jax.Array) -> jax.Array:
    """|x - Dec(Enc(x))| [B], over all pixels of an image (Zhao et al. 2017, section 2.3)."""
    return root(jnp.sum(jnp.square(images - reconstructions), axis=tuple(range(1, images.ndim))))


def absolute(images: jax.Array, reconstructions: jax.Array) -> jax.Array:
    """Mean |x - Dec(Enc(x))| over the pixels [B] (Berthelot et al. 2017, equation 1 with eta = 1)."""
    return jnp.mean(jnp.abs(images - reconstructions), axis=tuple(range(1, images.ndim)))


def with_margin(real: jax.Array, fake: jax.Array, margin: float) -> jax.Array:
    """The discriminator's loss D(x) + max(0, m - D(G(z))) [B] of energies [B] (Zhao et al. 2017, equation 1)."""
    return real + jax.nn.relu(margin - fake)


def pull_away(codes: jax.Array) -> jax.Array:
    """Means [B] of cos^2 between a code [B, K] and each other code of the batch on all devices.

    Their mean is the pull-away term (Zhao et al. 2017, equation 4). With one code in all, it is 0.
    """
    directions = codes / jnp.maximum(root(jnp.sum(jnp.square(codes), axis=1, keepdims=True)), _SMALLEST)
    everyone = directions
    if DATA_AXIS in varying_axes(directions):
        everyone = jax.lax.all_gather(directions, DATA_AXIS, tiled=True)
    count = everyone.shape[0]
    squares = jnp.square(directions @ everyone.T)
    own = jnp.square(jnp.sum(jnp.square(directions), axis=1))
    return (jnp.sum(squares, axis=1) - own) / max(count - 1, 1)


def balance(
    share: jax.Array, real: jax.Array, fake: jax.Array, *, ratio: float, rate: float
) -> tuple[jax.Array, jax.Array]:
    """BEGAN's next k, and its measure of convergence M (Berthelot et al. 2017, sections 3.3 and 3.4).

    Args:
      share: the present k. real, fake: mean energies of the whole batch. ratio: gamma. rate: lambda_k.

    Returns:
      k + lambda_k (gamma L(x) - L(G(z))), clipped to [0, 1], and M = L(x) + |gamma L(x) - L(G(z))|.
    """
    difference = ratio * real - fake
    return jnp.clip(share + rate * difference, 0, 1), real + jnp.abs(difference)
