"""The discriminator (Karras et al. 2020, figure 7), with a projection of the class (Miyato and Koyama 2018)."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.models.stylegan2.layers import Conv, FullyConnected
from jaxgen.models.stylegan2.mapping import Mapping
from jaxgen.models.stylegan2.synthesis import applied, is_among_highest, precision, resolutions, width
from jaxgen.ops.minibatch_stddev import minibatch_stddev
from jaxgen.ops.random import DATA_AXIS
from jaxgen.ops.resample import downsample

_SQRT_HALF = math.sqrt(0.5)


class DiscriminatorBlock(nn.Module):
    """One resolution, halved at its end; architecture "orig", "skip" (images go down beside) or "resnet"."""

    channels: int
    channels_out: int
    architecture: str
    is_first: bool
    clamp: float | None = None
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: jax.Array | None, image: jax.Array | None):
        options = {"clamp": self.clamp, "dtype": self.dtype}
        if self.is_first or self.architecture == "skip":
            y = Conv(self.channels, kernel_size=1, name="fromrgb", **options)(image)
            x = y if x is None else x.astype(y.dtype) + y
            image = downsample(image) if self.architecture == "skip" else None
        if self.architecture != "resnet":
            x = Conv(self.channels, name="conv0", **options)(x)
            return Conv(self.channels_out, resample=-2, name="conv1", **options)(x), image
        skip = {"kernel_size": 1, "resample": -2, "activate": False, "use_bias": False, "dtype": self.dtype}
        y = Conv(self.channels_out, gain=_SQRT_HALF, name="skip", **skip)(x)
        x = Conv(self.channels, name="conv0", **options)(x)
        x = Conv(self.channels_out, resample=-2, gain=_SQRT_HALF, name="conv1", **options)(x)
        return x + y, image


class DiscriminatorEpilogue(nn.Module):
    """At 4x4: minibatch standard deviation, 3x3 convolution, two dense layers to `features` numbers; in float32."""

    channels: int
    features: int
    group_size: int
    skip: bool
    clamp: float | None = None

    @nn.compact
    def __call__(self, x: jax.Array, image: jax.Array | None, train: bool) -> jax.Array:
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if self.skip:
            x = x + Conv(self.channels, kernel_size=1, name="fromrgb")(image)
        x = minibatch_stddev(x, self.group_size, axis_name=DATA_AXIS if train else None)
        x = Conv(self.channels, clamp=self.clamp, name="conv")(x)
        # Channels first, so that the weights of this layer are those of the published networks.
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
        x = FullyConnected(self.channels, activate=True, name="fc")(x)
        return FullyConnected(self.features, name="out")(x)


class Discriminator(nn.Module):
    """Images [N, R, R, C] (and classes [N]) to logits [N], float32.

    With `train` it must run inside `shard_map` over the devices that share the batch, since images are compared.
    With classes the last features are multiplied with a map of the class and summed, over sqrt(width).
    """

    channel_base: int
    channel_max: int
    architecture: str = "resnet"
    num_classes: int = 0
    mapping_layers: int = 8
    clamp: float | None = None
    group_size: int = 4
    bfloat16_resolutions: int = 0
    remat_resolutions: int = 0

    @nn.compact
    def __call__(self, images: jax.Array, labels: jax.Array | None = None, train: bool = False) -> jax.Array:
        side = images.shape[1]
        x, image = None, images
        for resolution in reversed(resolutions(side)[1:]):
            channels, below = (width(r, self.channel_base, self.channel_max) for r in (resolution, resolution // 2))
            block = DiscriminatorBlock(
                channels,
                below,
                self.architecture,
                is_first=resolution == side,
                clamp=self.clamp,
                dtype=precision(resolution, side, self.bfloat16_resolutions),
                name=f"b{resolution}",
            )
            again = is_among_highest(resolution, side, self.remat_resolutions)
            x, image = applied(block, again, x, image)
        channels = width(4, self.channel_base, self.channel_max)
        features = channels if self.num_classes else 1
        skip = self.architecture == "skip"
        last = DiscriminatorEpilogue(channels, features, self.group_size, skip, self.clamp, name="b4")
        x = last(x, image, train)
        if not self.num_classes:
            return x[:, 0]
        options = {"num_layers": self.mapping_layers, "num_classes": self.num_classes, "tracks_average": False}
        mapped = Mapping(channels, name="mapping", **options)(None, labels)
        return jnp.sum(x * mapped, axis=1) / math.sqrt(channels)
