"""Flax layers over the operations of this package; parameters are float32 and named as in Flax."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.ops.batch_norm import BatchNorm
from jaxgen.ops.conv import conv
from jaxgen.ops.random import example_ids, example_uniform
from jaxgen.ops.spectral_norm import normalize_kernel
from jaxgen.ops.upsample_conv import conv_3x3_average_pool, conv_transpose_4x4, upsample_conv_3x3

Initializer = nn.initializers.Initializer


class _Linear(nn.Module):
    """The parameters that the layers below share: `kernel` [..., C_in, features] and `bias` [features].

    With `spectral_norm` the kernel is divided by its largest singular value; see `jaxgen.ops.spectral_norm`.
    """

    features: int
    use_bias: bool = True
    kernel_init: Initializer = nn.initializers.lecun_normal()
    bias_init: Initializer = nn.initializers.zeros
    dtype: jnp.dtype = jnp.float32
    spectral_norm: bool = False

    def linear(self, x: jax.Array, size: tuple[int, ...], operation: Callable) -> jax.Array:
        kernel = self.param("kernel", self.kernel_init, (*size, x.shape[-1], self.features))
        if self.spectral_norm:
            kernel = normalize_kernel(self, kernel)
        y = operation(x.astype(self.dtype), kernel.astype(self.dtype))
        if self.use_bias:
            y = y + self.param("bias", self.bias_init, (self.features,)).astype(self.dtype)
        return y


class Dense(_Linear):
    """Matrix product with the last axis: [..., C] -> [..., features]."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return self.linear(x, (), jnp.matmul)


class Conv(_Linear):
    """Convolution of images [N, H, W, C]; `padding` as in `jaxgen.ops.conv.conv`."""

    kernel_size: int = 3
    stride: int = 1
    padding: str | int | Sequence[tuple[int, int]] = "SAME"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        size = (self.kernel_size, self.kernel_size)
        return self.linear(x, size, lambda x, kernel: conv(x, kernel, self.stride, self.padding))


class ConvTranspose(_Linear):
    """4x4 stride-2 transposed convolution: [N, H, W, C] -> [N, 2H, 2W, features]."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return self.linear(x, (4, 4), conv_transpose_4x4)


class UpsampleConv(_Linear):
    """Nearest 2x upsampling and a 3x3 convolution: [N, H, W, C] -> [N, 2H, 2W, features]."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return self.linear(x, (3, 3), upsample_conv_3x3)


class ConvPool(_Linear):
    """3x3 convolution and 2x2 average pooling: [N, H, W, C] -> [N, H/2, W/2, features], H and W even."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return self.linear(x, (3, 3), conv_3x3_average_pool)


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation with a scale and bias for each class (Dumoulin et al. 2017, equation 5).

    The class's own are written as differences from those of all classes, so that all start alike; the statistics are
    of the whole batch.
    """

    num_classes: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array, train: bool) -> jax.Array:
        shape = (self.num_classes, x.shape[-1])
        scale, bias = (self.param(name, nn.initializers.zeros, shape)[labels] for name in ("scale", "bias"))
        lead = (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])
        x = BatchNorm(dtype=jnp.float32)(x, train)
        return (x * (1 + scale.reshape(lead)) + bias.reshape(lead)).astype(self.dtype)


class ChannelDropout(nn.Module):
    """Drops whole channels of an example [N, ..., C] (torch's Dropout2d), by its number in the global batch.

    The mask does not depend on the number of devices. Active only with `train=True`, inside `shard_map`, with an rng
    "dropout" that is the same on all devices.
    """

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        if not train or self.rate == 0 or self.is_initializing():
            return x
        uniform = example_uniform(self.make_rng("dropout"), example_ids(x.shape[0]), (x.shape[-1],))
        factor = jnp.where(uniform >= self.rate, 1 / (1 - self.rate), 0).astype(x.dtype)
        return x * factor.reshape(x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])
