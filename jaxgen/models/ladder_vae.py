"""Networks of a ladder VAE (Soenderby et al. 2016): several levels of latents, each with dense layers below it."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import posterior
from jaxgen.ops.layers import BatchNorm, Dense

# Dense layers of one level.
_DEPTH = 2


class LadderVAE(NamedTuple):
    """Networks of a VAE with L levels of latents. Level 0 is next to the image.

    encoder: `(images [B, H, W, C], train) -> ((mean, log_variance), ...)`, [B, Z_l] each for every level, from 0 up.
    priors: for each level l below the highest, `(latents [B, Z_{l+1}], train) -> (mean, log_variance)`, [B, Z_l] each.
    decoder: `(latents [B, Z_0], train) -> [B, H, W, C]`, unbounded: the likelihood maps it.
    latent_dims: (Z_0, ..., Z_{L-1}).
    """

    encoder: nn.Module
    priors: tuple[nn.Module, ...]
    decoder: nn.Module
    latent_dims: tuple[int, ...]


def build(
    config, image_shape: tuple[int, int, int], num_classes: int, dtype, *, output_channels: int | None = None
) -> LadderVAE:
    """Networks for images [H, W, C] of any size. Config keys: level_dims, level_widths, batch_norm.

    The decoder gives `output_channels` channels if the likelihood needs another number than C.

    Raises:
      UserError: fewer than two levels, or levels without a width.
    """
    del num_classes
    dims, widths = tuple(config.level_dims), tuple(config.level_widths)
    if len(dims) < 2 or len(dims) != len(widths) or min(*dims, *widths) < 1:
        raise UserError(
            f"config.model.level_dims={dims} with config.model.level_widths={widths}: both need the same number of "
            "levels, two or more, such as (32, 16) and (256, 128)"
        )
    options = {"batch_norm": config.batch_norm, "dtype": dtype}
    output_shape = (*image_shape[:-1], output_channels or image_shape[-1])
    priors = tuple(TopDown(dim, width, **options) for dim, width in zip(dims[:-1], widths[1:], strict=True))
    return LadderVAE(BottomUp(dims, widths, **options), priors, Decoder(output_shape, widths[0], **options), dims)


class _Layers(nn.Module):
    """Dense layers of `width` units with leaky ReLU, after batch normalisation if the network has it."""

    width: int
    batch_norm: bool
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for _ in range(_DEPTH):
            x = Dense(self.width, dtype=self.dtype)(x)
            x = nn.leaky_relu(BatchNorm(dtype=self.dtype)(x, train) if self.batch_norm else x, 0.1)
        return x


class BottomUp(nn.Module):
    """Layers from the image up. Each level has a mean and a log-variance."""

    dims: tuple[int, ...]
    widths: tuple[int, ...]
    batch_norm: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[tuple[jax.Array, jax.Array], ...]:
        x, levels = images.reshape(images.shape[0], -1), []
        for dim, width in zip(self.dims, self.widths, strict=True):
            x = _Layers(width, self.batch_norm, self.dtype)(x, train)
            levels.append(posterior(Dense(2 * dim, dtype=self.dtype)(x)))
        return tuple(levels)


class TopDown(nn.Module):
    """Layers from the latents of one level to the mean and log-variance of those of the level below."""

    dim: int
    width: int
    batch_norm: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        x = _Layers(self.width, self.batch_norm, self.dtype)(latents, train)
        return posterior(Dense(2 * self.dim, dtype=self.dtype)(x))


class Decoder(nn.Module):
    """Layers from the lowest latents to the image. Output unbounded."""

    output_shape: tuple[int, int, int]
    width: int
    batch_norm: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, train: bool = False) -> jax.Array:
        x = _Layers(self.width, self.batch_norm, self.dtype)(latents, train)
        x = Dense(math.prod(self.output_shape), dtype=self.dtype)(x)
        return x.astype(jnp.float32).reshape(-1, *self.output_shape)
