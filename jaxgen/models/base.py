"""The interface between models and recipes: networks, as Flax modules, and the shape of their latents."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError


class GAN(NamedTuple):
    """Networks of a GAN. A module with `VECTORS = True` has a `build` that also takes (D,) as `image_shape`.

    With `TABLES = True`, `build` also takes `layout`, the parts of the D numbers of a row, in order. A part is a kind
    and a count of numbers. Kinds are "linear" (unbounded), "tanh" (in (-1, 1)) and "softmax" (one-hot).

    generator: `(latents [B, latent_dim], labels [B] or None, train: bool) -> images [B, H, W, C]` in [-1, 1], or
      vectors [B, D] in the data's units.
    discriminator: `(images [B, H, W, C] or vectors, labels [B] or None, train: bool) -> logits [B]`, float32. With
      `pack` above 1 it judges `pack` examples together: `([B, pack, D], [B, pack] or None) -> [B]`.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int
    pack: int = 1


class VAE(NamedTuple):
    """Networks of a variational autoencoder.

    encoder: `(images [B, H, W, C] in [-1, 1], train: bool) -> (mean, log_variance)`, each [B, latent_dim], float32.
    decoder: `(latents [B, latent_dim], train: bool) -> [B, H, W, C]`, float32, unbounded: the likelihood maps it.
    conditional: both take labels [B] after their first argument.
    """

    encoder: nn.Module
    decoder: nn.Module
    latent_dim: int
    conditional: bool = False


def classes_of(config, num_classes: int) -> int:
    """The number of classes that a network knows: `num_classes` with `config.conditional`, else 0.

    Raises:
      UserError: a conditional network for data without classes.
    """
    if config.conditional and not num_classes:
        raise UserError("config.model.conditional=True needs data with class labels, but these data have none")
    return num_classes if config.conditional else 0


def with_class(vectors: jax.Array, labels: jax.Array | None, num_classes: int) -> jax.Array:
    """Vectors [..., N] with the class one-hot behind them, [..., N + num_classes]. Without classes: as they are."""
    if not num_classes:
        return vectors
    return jnp.concatenate([vectors, jax.nn.one_hot(labels, num_classes, dtype=vectors.dtype)], axis=-1)


def with_class_maps(images: jax.Array, labels: jax.Array | None, num_classes: int) -> jax.Array:
    """Images [B, H, W, C] with a channel of ones for their class behind them, and of zeros for every other class."""
    if not num_classes:
        return images
    maps = jax.nn.one_hot(labels, num_classes, dtype=images.dtype)[:, None, None]
    return jnp.concatenate([images, jnp.broadcast_to(maps, (*images.shape[:-1], num_classes))], axis=-1)


# |log variance| stays below this: float32 holds exp of it, and its square, with room.
_LOG_VARIANCE_BOUND = 15.0


def posterior(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """An encoder's last numbers [B, 2 Z] as the mean and log-variance [B, Z] of the posterior, float32.

    The log-variance is bounded smoothly by -15 and 15, and hardly changed in between. A clip would have no gradient
    beyond its ends.
    """
    mean, log_variance = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    return mean, _LOG_VARIANCE_BOUND * jnp.tanh(log_variance / _LOG_VARIANCE_BOUND)


def uniform_latents(latents: jax.Array) -> jax.Array:
    """Standard normal latents as uniform ones of variance 1, by the normal distribution function."""
    return math.sqrt(3) * (2 * jax.scipy.special.ndtr(latents) - 1)


# Sides of the smallest images inside a network built of doublings.
_STARTS = range(4, 8)


def doublings(image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """`(start, count)` with side = start * 2**count, start from 4 to 7 and count at least 1.

    Raises:
      UserError: the image is not square or its side has no such form. The line names sides that have.
    """
    height, width, _ = image_shape
    start, count = height, 0
    while start >= 8 and start % 2 == 0:
        start, count = start // 2, count + 1
    if height == width and count and start in _STARTS:
        return start, count
    sides = sorted({s << k for s in _STARTS for k in range(1, 12)}, key=lambda side: abs(side - height))[:6]
    raise UserError(
        f"data.image_size: {height}x{width} is a size that this model cannot make. Images must be square, "
        f"with a side of 4, 5, 6 or 7 times a power of two. Near are {', '.join(map(str, sorted(sides)))}. "
        "Set data.image_size"
    )
