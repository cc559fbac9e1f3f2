"""The synthesis network w -> image (Karras et al. 2020, figures 2 and 7)."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.models.stylegan2.layers import Conv, FullyConnected, leaky_relu, modulated_conv
from jaxgen.ops.random import example_normal
from jaxgen.ops.resample import upsample

_SQRT_HALF = math.sqrt(0.5)


class RandomNoise(NamedTuple):
    """Fresh noise for every image: that of image number `ids[i]` depends on the key and that number alone."""

    key: jax.Array
    ids: jax.Array


CONST_NOISE, NO_NOISE = "const", "none"
Noise = RandomNoise | str


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution (up: 1 or 2), noise, bias, LeakyReLU."""

    features: int
    up: int = 1
    gain: float = 1.0
    clamp: float | None = None
    fused: bool = False
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array, noise: Noise) -> jax.Array:
        styles = FullyConnected(x.shape[-1], bias_init=1.0, name="affine")(w)
        kernel = self.param("weight", nn.initializers.normal(1.0), (3, 3, x.shape[-1], self.features))
        dtype = self.dtype or kernel.dtype
        x = modulated_conv(x.astype(dtype), kernel, styles, up=self.up, fused=self.fused)
        strength = self.param("noise_strength", nn.initializers.zeros, ())
        shape = x.shape[1:3]
        const = self.variable("noise", "noise_const", lambda: jax.random.normal(self.make_rng("params"), shape))
        if isinstance(noise, RandomNoise):
            x = x + (strength * example_normal(noise.key, noise.ids, (*shape, 1))).astype(dtype)
        elif noise == CONST_NOISE:
            x = x + (strength * const.value[..., None]).astype(dtype)
        elif noise != NO_NOISE:
            raise ValueError(f"noise={noise!r}: it must be a RandomNoise, {CONST_NOISE!r} or {NO_NOISE!r}")
        x = x + self.param("bias", nn.initializers.zeros, (self.features,)).astype(dtype)
        return leaky_relu(x, self.gain, self.clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to the image's channels, without demodulation. Styles times 1 / sqrt(C)."""

    features: int
    clamp: float | None = None
    fused: bool = False
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        styles = FullyConnected(channels, bias_init=1.0, name="affine")(w) / math.sqrt(channels)
        kernel = self.param("weight", nn.initializers.normal(1.0), (1, 1, channels, self.features))
        y = modulated_conv(x.astype(self.dtype or kernel.dtype), kernel, styles, demodulate=False, fused=self.fused)
        y = y + self.param("bias", nn.initializers.zeros, (self.features,)).astype(y.dtype)
        return (y if self.clamp is None else jnp.clip(y, -self.clamp, self.clamp)).astype(kernel.dtype)


class SynthesisBlock(nn.Module):
    """One resolution. Architecture "orig", "skip" (images added up) or "resnet" (activations added).

    `ws`: [N, convolutions + 1, D], the last one for the image. Takes and returns activations and the image so far.
    """

    channels: int
    image_channels: int
    architecture: str
    is_first: bool
    is_last: bool
    clamp: float | None = None
    fused: bool = False
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: jax.Array | None, image: jax.Array | None, ws: jax.Array, noise: Noise):
        options = {"clamp": self.clamp, "fused": self.fused, "dtype": self.dtype}
        noises = [_noise_of_layer(noise, i) for i in (0, 1)]
        residual = None
        if self.is_first:
            const = self.param("const", nn.initializers.normal(1.0), (4, 4, self.channels))
            x = jnp.broadcast_to(const, (ws.shape[0], *const.shape))
        else:
            if self.architecture == "resnet":
                skip = {"resample": 2, "activate": False, "use_bias": False, "gain": _SQRT_HALF, "dtype": self.dtype}
                residual = Conv(self.channels, kernel_size=1, name="skip", **skip)(x)
            x = SynthesisLayer(self.channels, up=2, name="conv0", **options)(x, ws[:, 0], noises[0])
        gain = 1.0 if residual is None else _SQRT_HALF
        x = SynthesisLayer(self.channels, gain=gain, name="conv1", **options)(x, ws[:, -2], noises[1])
        x = x if residual is None else x + residual
        image = image if image is None else upsample(image)
        if self.is_last or self.architecture == "skip":
            y = ToRGB(self.image_channels, name="torgb", **options)(x, ws[:, -1])
            image = y if image is None else image + y
        return x, image


def _noise_of_layer(noise: Noise, index: int) -> Noise:
    return noise._replace(key=jax.random.fold_in(noise.key, index)) if isinstance(noise, RandomNoise) else noise


class Synthesis(nn.Module):
    """ws [N, num_ws, D] -> images [N, R, R, C], float32, unbounded.

    Channels at resolution r: min(channel_base / r, channel_max). The `bfloat16_resolutions` highest ones compute in
    bfloat16. Of the `remat_resolutions` highest ones a backward pass computes the activations again.
    """

    resolution: int
    image_channels: int
    channel_base: int
    channel_max: int
    architecture: str = "skip"
    clamp: float | None = None
    bfloat16_resolutions: int = 0
    remat_resolutions: int = 0
    fused: bool = False

    @property
    def num_ws(self) -> int:
        """Styles that an image takes: two for each resolution."""
        return 2 * int(math.log2(self.resolution)) - 2

    @nn.compact
    def __call__(self, ws: jax.Array, noise: Noise = CONST_NOISE) -> jax.Array:
        x = image = None
        start = 0
        for resolution in resolutions(self.resolution):
            block = SynthesisBlock(
                width(resolution, self.channel_base, self.channel_max),
                self.image_channels,
                self.architecture,
                is_first=resolution == 4,
                is_last=resolution == self.resolution,
                clamp=self.clamp,
                fused=self.fused,
                dtype=precision(resolution, self.resolution, self.bfloat16_resolutions),
                name=f"b{resolution}",
            )
            convolutions = 1 if resolution == 4 else 2
            of_block, noise_here = ws[:, start : start + convolutions + 1], _noise_of_layer(noise, resolution)
            again = is_among_highest(resolution, self.resolution, self.remat_resolutions)
            x, image = applied(block, again, x, image, of_block, noise=noise_here)
            start += convolutions
        return image


def resolutions(side: int) -> list[int]:
    """4, 8, ... up to the image's side."""
    return [1 << k for k in range(2, int(math.log2(side)) + 1)]


def width(resolution: int, channel_base: int, channel_max: int) -> int:
    """Channels of the activations at a resolution."""
    return min(channel_base // resolution, channel_max)


def is_among_highest(resolution: int, side: int, count: int) -> bool:
    """Whether a resolution is one of the `count` highest, 4 never is."""
    return resolution > max(side >> count, 4)


def precision(resolution: int, side: int, bfloat16_resolutions: int) -> jnp.dtype | None:
    """bfloat16 at the highest resolutions (never at 4x4), below that None: as the parameters."""
    return jnp.dtype(jnp.bfloat16) if is_among_highest(resolution, side, bfloat16_resolutions) else None


def applied(block: nn.Module, again: bool, *arrays: jax.Array | None, **options):
    """`block(*arrays, **options)`. With `again`, a backward pass recomputes it and stores only its inputs.

    Chen et al. 2016, Training deep nets with sublinear memory cost. `options` need not be arrays.
    """
    if not again:
        return block(*arrays, **options)
    return nn.remat(lambda block, *arrays: block(*arrays, **options))(block, *arrays)
