"""The discriminator (Karras et al. 2020, figure 7), with a projection of the class (Miyato and Koyama 2018)."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.models.stylegan2.layers import Conv, FullyConnected, Mapping
from jaxgen.models.stylegan2.synthesis import applied, is_among_highest, precision, resolutions, width
from jaxgen.ops.random import DATA_AXIS
from jaxgen.ops.resample import downsample

_SQRT_HALF = math.sqrt(0.5)


class DiscriminatorBlock(nn.Module):
    """One resolution, halved at its end. Architecture "orig", "skip" (images go down beside) or "resnet"."""

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
    """At 4x4: minibatch standard deviation, 3x3 convolution, two dense layers to `features` numbers. In float32."""

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


def minibatch_stddev(x, group_size: int, num_features: int = 1, axis_name: str | None = None):
    """Images with the standard deviation over groups of the batch as further channels (Karras et al. 2018, section 3).

    Image i belongs to group i mod (N / group_size), so groups are strided. `ops.random.example_ids` numbers examples on
    devices so that whole groups lie on a device if its share is a multiple of the group. Otherwise devices exchange
    their (small) images. If the group is a multiple of the share, a device exchanges with the devices of its group
    only, else with all devices. The groups do not depend on the number of devices.

    Args:
      x: [n, H, W, C]. The statistics are computed in float32 at least.
      group_size: images in a group, but at most the whole batch of all devices.
      num_features: channels to add, each the mean over its share of C. C is a multiple of it.
      axis_name: the mesh axis of the batch (inside `shard_map`). None: x is the whole batch.

    Returns:
      [n, H, W, C + num_features] in the dtype of x.

    Raises:
      ValueError: the batch of all devices is no multiple of the group's size.
    """
    n, height, width, channels = x.shape
    devices = jax.lax.axis_size(axis_name) if axis_name else 1
    group = min(group_size, n * devices)
    if n * devices % group:
        raise ValueError(f"minibatch_stddev: groups of {group} do not divide a batch of {n * devices}")
    y = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    together = group % n == 0 and group > n  # all of a device's images are of one group
    gathered = not together and n % group > 0
    if together:
        y = _whole_group(y, group // n, axis_name)
    elif gathered:  # [n, devices, ...], in the order of the examples' numbers
        y = jax.lax.all_gather(y, axis_name, axis=1)
    y = y.reshape(group, -1, height, width, num_features, channels // num_features)
    y = y - y.mean(0)
    y = jnp.sqrt(jnp.mean(y**2, axis=0) + 1e-8).mean((1, 2, 4))  # [groups, num_features]
    y = jnp.broadcast_to(y, (n if together else group, *y.shape))
    if gathered:
        y = y.reshape(n, devices, num_features)[:, jax.lax.axis_index(axis_name)]
    y = jnp.broadcast_to(y.reshape(n, 1, 1, num_features), (n, height, width, num_features))
    return jnp.concatenate([x, y.astype(x.dtype)], axis=-1)


def _whole_group(y: jax.Array, parts: int, axis_name: str) -> jax.Array:
    """The images [n * parts, ...] of this device's group, in the order of their numbers, from all devices.

    Image j of device d has the number j * devices + d, so a group lies on devices that are devices / parts apart.
    """
    devices = jax.lax.axis_size(axis_name)
    apart = devices // parts
    received = [
        jax.lax.ppermute(y, axis_name, [((d + k * apart) % devices, d) for d in range(devices)])
        for k in range(1, parts)
    ]
    # From this device on; then from the first of them on, so that all compute the same to the bit.
    of_devices = jnp.roll(jnp.stack([y, *received]), jax.lax.axis_index(axis_name) // apart, axis=0)
    return of_devices.swapaxes(0, 1).reshape(-1, *y.shape[1:])
