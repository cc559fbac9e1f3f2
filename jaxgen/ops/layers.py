"""Flax layers over the operations of this package. Parameters are float32 and named as in Flax."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxgen.ops.backend import traced_for_cpu
from jaxgen.ops.conv import conv
from jaxgen.ops.random import DATA_AXIS, example_ids, example_uniform

Initializer = nn.initializers.Initializer
# The Flax collection of the singular vectors. Whoever applies a network decides by its mutability whether they move:
# one power iteration where it is mutable, none where it is not (evaluation, and further passes of the same update).
SPECTRAL_NORM = "spectral_norm"


class _Linear(nn.Module):
    """The parameters that the layers below share: `kernel` [..., C_in, features] and `bias` [features].

    With `spectral_norm` the kernel is divided by its largest singular value; see `normalize_kernel`.
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
    """Convolution of images [N, H, W, C]. `padding` as in `jaxgen.ops.conv.conv`."""

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


class BatchNorm(nn.Module):
    """Normalises each channel over the global batch (Ioffe & Szegedy, 2015). Statistics in float32 in any `dtype`.

    Running averages are in the collection "batch_stats" as `mean` and `var` (biased, as in Flax, unlike torch).
    `momentum` 0.9 is torch's 0.1. With `train=True` it must run inside `shard_map` over `DATA_AXIS`, except while
    initialising.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    scale_init: Initializer = nn.initializers.ones
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        channels = x.shape[-1]
        scale = self.param("scale", self.scale_init, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,))
        running_var = self.variable("batch_stats", "var", jnp.ones, (channels,))
        x = x.astype(jnp.float32)
        if train:
            mean, var = _statistics(x, lax.stop_gradient(running_mean.value), not self.is_initializing())
            if not self.is_initializing() and self.is_mutable_collection("batch_stats"):
                running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * lax.stop_gradient(mean)
                running_var.value = self.momentum * running_var.value + (1 - self.momentum) * lax.stop_gradient(var)
        else:
            mean, var = running_mean.value, running_var.value
        gain = scale * lax.rsqrt(var + self.epsilon)
        return (x * gain + (bias - mean * gain)).astype(self.dtype)


def _statistics(x, origin, over_devices: bool):
    """Mean and biased variance of each channel over the global batch.

    Both come from one pass and one all-reduce, as moments about `origin` (the running mean): near the true mean,
    E[x^2] - E[x]^2 does not cancel.
    """
    shifted = x - origin
    axes = tuple(range(x.ndim - 1))
    moments = jnp.stack([shifted.mean(axes), jnp.square(shifted).mean(axes)])
    if over_devices and lax.axis_size(DATA_AXIS) > 1:
        moments = lax.pmean(moments, DATA_AXIS)
    return moments[0] + origin, jnp.maximum(moments[1] - jnp.square(moments[0]), 0)


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation with a scale and bias for each class (Dumoulin et al. 2017, equation 5).

    Each class has differences from the scale and bias of all classes, so that all classes start alike. The statistics
    cover the whole batch.
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
    """Drops whole channels of an example [N, ..., C] (torch's Dropout2d), by the example's number in the global batch.

    The mask does not depend on the number of devices. It is active only with `train=True`, inside `shard_map`. Its rng
    "dropout" must be the same on all devices.
    """

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        if not train or self.rate == 0 or self.is_initializing():
            return x
        uniform = example_uniform(self.make_rng("dropout"), example_ids(x.shape[0]), (x.shape[-1],))
        factor = jnp.where(uniform >= self.rate, 1 / (1 - self.rate), 0).astype(x.dtype)
        return x * factor.reshape(x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])


def normalize_kernel(module: nn.Module, kernel: jax.Array) -> jax.Array:
    """`kernel / sigma`, in float32, inside a compact `__call__` of `module` (Miyato et al. 2018, Algorithm 1).

    The kernel [..., C_in, C_out] counts as a matrix with C_out columns, as in the paper. The estimates of its first
    singular vectors, `u` [C_out] and `v` [the rest], are in collection `SPECTRAL_NORM`. The gradient flows through
    sigma = u^T W v, but not through these estimates.
    """
    matrix = kernel.astype(jnp.float32).reshape(-1, kernel.shape[-1])
    fixed = lax.stop_gradient(matrix)

    if module.is_initializing():
        first_u = _unit(jax.random.normal(module.make_rng("params"), (matrix.shape[1],)))
        u = module.variable(SPECTRAL_NORM, "u", lambda: first_u)
        v = module.variable(SPECTRAL_NORM, "v", lambda: _unit(fixed @ first_u))
    else:
        u, v = module.variable(SPECTRAL_NORM, "u"), module.variable(SPECTRAL_NORM, "v")
        if module.is_mutable_collection(SPECTRAL_NORM):
            v.value = _unit(fixed @ u.value)
            u.value = _unit(v.value @ fixed)
    return kernel / (v.value @ matrix @ u.value)


def _unit(x: jax.Array) -> jax.Array:
    return x * lax.rsqrt(jnp.sum(jnp.square(x)) + 1e-12)


def conv_transpose_4x4(x, kernel):
    """4x4 stride-2 transposed convolution, the same as `lax.conv_transpose(x, kernel, (2, 2), "SAME")`.

    x: [N, H, W, C_in]. kernel: [4, 4, C_in, C_out]. Returns [N, 2H, 2W, C_out].
    """
    return conv(x, kernel, padding=2, input_dilation=2)


def upsample_conv_3x3(x, kernel):
    """Nearest-neighbour 2x upsampling, then a 3x3 convolution with SAME padding. CPUs compute at the low resolution.

    x: [N, H, W, C_in]. kernel: [3, 3, C_in, C_out]. Returns [N, 2H, 2W, C_out].
    """
    if not traced_for_cpu():
        return conv(x.repeat(2, axis=1).repeat(2, axis=2), kernel, padding=1)
    return conv_transpose_4x4(x, _folded(kernel))


def conv_3x3_average_pool(x, kernel):
    """3x3 convolution with SAME padding, then 2x2 average pooling, as one 4x4 stride-2 convolution (16 taps, not 36).

    x: [N, H, W, C_in], H and W even. kernel: [3, 3, C_in, C_out]. Returns [N, H/2, W/2, C_out].
    """
    return conv(x, _folded(kernel) / 4, stride=2, padding=1)


def _folded(kernel):
    """Both leading axes [a, b, c] convolved with [1, 1]: [a, a + b, b + c, c]."""
    for edge in (((0, 1), (0, 0)), ((0, 0), (0, 1))):
        edge = (*edge, (0, 0), (0, 0))
        kernel = jnp.pad(kernel, edge) + jnp.pad(kernel, [pair[::-1] for pair in edge])
    return kernel
