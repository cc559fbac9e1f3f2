"""The U-Net of diffusion models, in the form "DDPM++" (Song et al. 2021, app. H, and Karras et al. 2022, table 7)."""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.ops.layers import Conv, Dense
from jaxgen.ops.random import example_ids, example_uniform
from jaxgen.settings.number_ranges import AT_LEAST_ONE, require

# A block's last convolution starts near 0, so that each block starts near the identity.
_NEAR_ZERO = nn.initializers.variance_scaling(1e-10, "fan_avg", "uniform")
_USUAL = nn.initializers.variance_scaling(1.0, "fan_avg", "uniform")
_QUERIES = nn.initializers.variance_scaling(0.2, "fan_avg", "uniform")
# The sum of a block and its input has twice the variance of one of them.
_HALF = 0.5**0.5


class Denoiser(NamedTuple):
    """The network of a diffusion model.

    network: `(x [B, H, W, C], number [B], classes [B, K] or None, train) -> [B, H, W, C]`, float32. `number` describes
      the noise level. `classes` are one-hot, and all 0 where the class is not given.
    num_classes: K, 0 for a network without classes.
    """

    network: nn.Module
    num_classes: int


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> Denoiser:
    """The network for images [H, W, C].

    Config keys: width, channel_multipliers, residual_blocks, attention_sides, patch, dropout, conditional.

    Raises:
      UserError: sides that cannot be halved often enough, numbers that make no network.
    """
    require(config, "config.model", AT_LEAST_ONE, "residual_blocks", "patch")
    multipliers = config.channel_multipliers
    if not multipliers or min(multipliers) < 1:
        raise UserError(
            f"config.model.channel_multipliers={multipliers!r}: it needs one number from 1 on for each side"
        )
    if config.width % 4:
        raise UserError(f"config.model.width={config.width}: a U-Net needs a multiple of 4 (groups of channels)")
    if not 0 <= config.dropout < 1:
        raise UserError(f"config.model.dropout={config.dropout}: it must be in [0, 1)")
    height, width, channels = image_shape
    factor = config.patch * 2 ** (len(multipliers) - 1)
    if height % factor or width % factor:
        patches = f" in patches of {config.patch}" if config.patch > 1 else ""
        raise UserError(
            f"data.image_size: {height}x{width}{patches} cannot be halved {len(multipliers) - 1} times, as "
            f"config.model.channel_multipliers={multipliers!r} needs. Set data.image_size to a multiple of {factor}"
        )
    if config.conditional and not num_classes:
        raise UserError("config.model.conditional=True needs data with class labels, but these data have none")
    classes = num_classes if config.conditional else 0
    network = UNet(
        channels,
        config.width,
        tuple(multipliers),
        config.residual_blocks,
        tuple(config.attention_sides),
        config.patch,
        config.dropout,
        classes,
        dtype,
    )
    return Denoiser(network, classes)


class UNet(nn.Module):
    """Residual blocks at falling and rising resolution, joined by skip connections at every block.

    multipliers: channels at each resolution, in units of `width`, from the image's resolution down.
    attention_sides: heights of feature maps whose blocks attend. The lowest resolution attends once in any case.
    patch: side of the squares of pixels that become one place of the highest resolution.
    """

    channels: int
    width: int
    multipliers: Sequence[int]
    blocks: int
    attention_sides: Sequence[int]
    patch: int
    dropout: float
    num_classes: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, number, classes=None, train: bool = False):
        def block(features, **options):
            return Block(features, dropout=self.dropout, dtype=self.dtype, **options)

        embedding = self.embedding(number, classes)
        x = Conv(self.width, kernel_init=_USUAL, dtype=self.dtype)(patches_of(x, self.patch))
        skips = [x]
        for level, multiplier in enumerate(self.multipliers):
            if level:
                x = block(x.shape[-1], resample="down")(x, embedding, train)
                skips.append(x)
            for _ in range(self.blocks):
                attends = x.shape[1] in self.attention_sides
                x = block(self.width * multiplier, attends=attends)(x, embedding, train)
                skips.append(x)
        x = block(x.shape[-1], attends=True)(x, embedding, train)
        x = block(x.shape[-1])(x, embedding, train)
        for level, multiplier in reversed(list(enumerate(self.multipliers))):
            for place in range(self.blocks + 1):
                # On the way up only the last block of a resolution attends.
                attends = x.shape[1] in self.attention_sides and place == self.blocks
                joined = jnp.concatenate([x, skips.pop()], axis=-1)
                x = block(self.width * multiplier, attends=attends)(joined, embedding, train)
            if level:
                x = block(x.shape[-1], resample="up")(x, embedding, train)
        x = nn.silu(_normalized(x, self.dtype))
        x = Conv(self.channels * self.patch**2, kernel_init=_NEAR_ZERO, dtype=self.dtype)(x)
        return pixels_of(x, self.patch).astype(jnp.float32)

    def embedding(self, number, classes):
        """Sines of the noise level and a linear map of the class, through two layers: [B, 4 * width]."""
        frequencies = 1e-4 ** jnp.linspace(0.0, 1.0, self.width // 2)
        angles = number.astype(jnp.float32)[:, None] * frequencies
        embedding = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        if self.num_classes:
            # One class in K is 1: the factor makes the mean square 1.
            embedding = embedding + Dense(self.width, kernel_init=_USUAL)(classes * self.num_classes**0.5)
        for _ in range(2):
            embedding = nn.silu(Dense(4 * self.width, kernel_init=_USUAL)(embedding))
        return embedding


class Block(nn.Module):
    """GroupNorm, SiLU and a 3x3 convolution, twice, with the embedding between, beside a shortcut.

    resample: "", "down" (2x2 averages) or "up" (nearest neighbours), before the first convolution.
    """

    features: int
    dropout: float
    resample: str = ""
    attends: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, embedding, train: bool):
        y = nn.silu(_normalized(x, self.dtype))
        x, y = (_resampled(z, self.resample) for z in (x, y))
        y = Conv(self.features, kernel_init=_USUAL, dtype=self.dtype)(y)
        y = y + Dense(self.features, kernel_init=_USUAL, dtype=self.dtype)(embedding)[:, None, None]
        y = _dropped(self, nn.silu(_normalized(y, self.dtype)), self.dropout, train)
        y = Conv(self.features, kernel_init=_NEAR_ZERO, dtype=self.dtype)(y)
        if x.shape[-1] != self.features or self.resample:
            x = Conv(self.features, kernel_size=1, kernel_init=_USUAL, dtype=self.dtype)(x)
        x = (x + y) * _HALF
        return Attention(self.dtype)(x) if self.attends else x


class Attention(nn.Module):
    """Self-attention over all pixels with one head, added to its input."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x):
        count, height, width, features = x.shape
        y = _normalized(x, self.dtype).reshape(count, height * width, features)
        query, key, value = jnp.split(Dense(3 * features, kernel_init=_QUERIES, dtype=self.dtype)(y), 3, axis=-1)
        scores = jnp.einsum("bic,bjc->bij", query, key, preferred_element_type=jnp.float32) / features**0.5
        y = jnp.einsum("bij,bjc->bic", nn.softmax(scores).astype(self.dtype), value)
        y = Dense(features, kernel_init=_NEAR_ZERO, dtype=self.dtype)(y)
        return (x + y.reshape(x.shape)) * _HALF


def patches_of(x, side: int):
    """Squares of pixels as channels: [B, H, W, C] -> [B, H / side, W / side, side * side * C]."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height // side, side, width // side, side, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(count, height // side, width // side, -1)


def pixels_of(x, side: int):
    """The inverse of `patches_of`."""
    count, height, width, features = x.shape
    x = x.reshape(count, height, width, side, side, features // side**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(count, height * side, width * side, -1)


def _normalized(x, dtype):
    """GroupNorm with 32 groups, or groups of 4 channels if there are fewer than 128."""
    return nn.GroupNorm(min(32, x.shape[-1] // 4), epsilon=1e-6, dtype=dtype)(x)


def _resampled(x, how: str):
    if how == "up":
        return x.repeat(2, axis=1).repeat(2, axis=2)
    if how == "down":
        count, height, width, features = x.shape
        return x.reshape(count, height // 2, 2, width // 2, 2, features).mean((2, 4))
    return x


def _dropped(module: nn.Module, x, rate: float, train: bool):
    """Dropout whose mask belongs to the example: the same on any number of devices."""
    if not train or rate == 0 or module.is_initializing():
        return x
    uniform = example_uniform(module.make_rng("dropout"), example_ids(x.shape[0]), x.shape[1:])
    return jnp.where(uniform >= rate, x / (1 - rate), 0)
