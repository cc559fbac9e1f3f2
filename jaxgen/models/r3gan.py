"""The networks of R3GAN (Huang et al. 2024): ResNets of grouped convolutions, without normalisation, in both players.

Each resolution has residual blocks of an inverted bottleneck. The generator starts with a learned basis at the lowest
resolution. The discriminator is its mirror image.
"""

import math
from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.models.base import GAN, doublings
from jaxgen.ops.grouped_conv import grouped_conv_3x3
from jaxgen.ops.layers import Conv, Dense
from jaxgen.ops.resample import downsample, upsample
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require

# Channels inside a block, in units of those outside.
_EXPANSION = 2
_SLOPE = 0.2
# N(0, 1 / fan_in), with the fan-in of one group.
_USUAL = nn.initializers.variance_scaling(1.0, "fan_in", "normal")


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> GAN:
    """A GAN for images [H, W, C].

    Config keys: latent_dim, width, channel_multipliers (from the image's resolution down), residual_blocks,
    group_width, bfloat16_resolutions, conditional.

    Raises:
      UserError: an image size that it cannot make, a wrong number of multipliers, channels that make no groups, classes
        asked for where there are none.
    """
    start, count = doublings(image_shape)
    require(config, "config.model", AT_LEAST_ONE, "residual_blocks", "group_width")
    require(config, "config.model", NOT_NEGATIVE, "bfloat16_resolutions")
    widths = [config.width * multiplier for multiplier in reversed(config.channel_multipliers)]
    if len(widths) != count + 1 or min(widths) < 1:
        raise UserError(
            f"config.model.channel_multipliers={config.channel_multipliers!r}: images of {image_shape[0]} pixels have "
            f"{count + 1} resolutions, {start << count} down to {start}. It needs one number from 1 on for each"
        )
    for width in widths:
        if _EXPANSION * width % config.group_width:
            raise UserError(
                f"config.model.group_width={config.group_width} does not divide {_EXPANSION} * {width} channels. "
                "Change config.model.width or channel_multipliers"
            )
    if config.conditional and not num_classes:
        raise UserError("config.model.conditional=True needs data with class labels, but these data have none")
    low = len(widths) - config.bfloat16_resolutions
    options = {
        "widths": tuple(widths),
        "blocks": config.residual_blocks,
        "group_width": config.group_width,
        "start": start,
        "num_classes": num_classes if config.conditional else 0,
        "dtypes": tuple(jnp.bfloat16 if stage >= low else dtype for stage in range(len(widths))),
    }
    return GAN(Generator(channels=image_shape[-1], **options), Discriminator(**options), config.latent_dim)


class _Network(nn.Module):
    """What both networks share. Stages are in the order of rising resolution.

    start: side of the lowest resolution. num_classes: 0 for networks that do not know the class.
    """

    widths: Sequence[int]
    blocks: int
    group_width: int
    start: int
    num_classes: int
    dtypes: Sequence[jnp.dtype]

    def stage(self, x: jax.Array, number: int) -> jax.Array:
        """The residual blocks at one resolution."""
        block = partial(Block, self.group_width, self.blocks * len(self.widths), self.dtypes[number])
        x = x.astype(self.dtypes[number])
        for _ in range(self.blocks):
            x = block()(x)
        return x

    def pointwise(self, x: jax.Array, features: int, number: int) -> jax.Array:
        """A linear map of each pixel."""
        dtype = self.dtypes[number]
        return Conv(features, use_bias=False, kernel_init=_USUAL, dtype=dtype, kernel_size=1)(x.astype(dtype))

    def basis(self) -> jax.Array:
        """Numbers [S, S, C] of the lowest resolution, S * S for each channel."""
        shape = self.start, self.start, self.widths[0]
        return self.param("basis", nn.initializers.normal(self.basis_std()), shape)

    def classes(self, labels: jax.Array) -> jax.Array:
        return jax.nn.one_hot(labels, self.num_classes)


class Block(nn.Module):
    """x + W3 a(W2 a(W1 x + b1) + b2): 1x1 to twice the channels, grouped 3x3, 1x1 back, with LeakyReLU 0.2.

    W3 starts at 0, so that the block starts as the identity. W1 and W2 start as in Fixup (Zhang et al. 2019), at the
    depth of `depth` blocks.
    """

    group_width: int
    depth: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = _EXPANSION * x.shape[-1]
        # The gain sqrt(2 / (1 + slope^2)) depth^(-1/4) of the standard deviation, squared.
        init = nn.initializers.variance_scaling(2 / (1 + _SLOPE**2) / math.sqrt(self.depth), "fan_in", "normal")
        point = partial(Conv, use_bias=False, dtype=self.dtype, kernel_size=1)
        y = self.activated(point(hidden, kernel_init=init)(x), "bias_1")
        kernel = self.param("grouped", init, (3, 3, self.group_width, hidden))
        y = self.activated(grouped_conv_3x3(y, kernel.astype(self.dtype)), "bias_2")
        return x + point(x.shape[-1], kernel_init=nn.initializers.zeros)(y)

    def activated(self, x: jax.Array, name: str) -> jax.Array:
        bias = self.param(name, nn.initializers.zeros, (x.shape[-1],))
        return nn.leaky_relu(x + bias.astype(x.dtype), _SLOPE)


class Generator(_Network):
    """Latents to channels, times the basis, then stages with FIR upsampling between, and a 1x1 convolution to colours.

    The image has no bounds. A conditional generator embeds the class in as many numbers as there are latents.
    """

    channels: int = 3

    def basis_std(self) -> float:
        """The basis stands for a linear map of one number to S * S numbers."""
        return 1.0

    @nn.compact
    def __call__(self, latents: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del train
        x, dense = latents, partial(Dense, use_bias=False, kernel_init=_USUAL)
        if self.num_classes:
            x = jnp.concatenate([x, dense(latents.shape[-1])(self.classes(labels))], axis=-1)
        x = dense(self.widths[0])(x)[:, None, None] * self.basis()
        for number, width in enumerate(self.widths):
            if number:
                if x.shape[-1] != width:
                    x = self.pointwise(x, width, number)
                x = upsample(x)
            x = self.stage(x, number)
        return self.pointwise(x, self.channels, -1).astype(jnp.float32)


class Discriminator(_Network):
    """A 1x1 convolution, stages with FIR downsampling between, the basis as a depthwise convolution, a linear layer.

    A conditional discriminator multiplies features with an embedding of the class and takes the sum.
    """

    def basis_std(self) -> float:
        """A depthwise convolution sums S * S numbers."""
        return 1 / self.start

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        del train
        x = self.pointwise(images, self.widths[-1], -1)
        for number, width in reversed(list(enumerate(self.widths))):
            x = self.stage(x, number)
            below = self.widths[number - 1] if number else width
            if number:
                x = downsample(x)
                if below != width:
                    x = self.pointwise(x, below, number)
        features = jnp.sum(x.astype(jnp.float32) * self.basis(), axis=(1, 2))
        dense = partial(Dense, use_bias=False)
        if not self.num_classes:
            return dense(1, kernel_init=_USUAL)(features)[:, 0]
        width = features.shape[-1]
        small = nn.initializers.variance_scaling(1 / width, "fan_in", "normal")
        embedding = dense(width, kernel_init=small)(self.classes(labels))
        return jnp.sum(dense(width, kernel_init=_USUAL)(features) * embedding, axis=-1)
