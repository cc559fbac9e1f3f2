"""Layers with an equalised learning rate (Karras et al. 2018, section 4.1): weights ~ N(0, 1), scaled when used."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.ops.conv import conv
from jaxgen.ops.resample import downsample_conv, upsample_conv

_SQRT2 = math.sqrt(2)


def second_moment_normalised(x: jax.Array) -> jax.Array:
    """Rows x / sqrt(mean x^2 + 1e-8) of [N, D]."""
    return x * jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-8)


def leaky_relu(x: jax.Array, gain: float = 1.0, clamp: float | None = None) -> jax.Array:
    """LeakyReLU of slope 0.2 times sqrt(2) * gain, cut off at +-clamp * gain."""
    return _clamped(jax.nn.leaky_relu(x, 0.2) * (_SQRT2 * gain), gain, clamp)


def _clamped(x: jax.Array, gain: float, clamp: float | None) -> jax.Array:
    return x if clamp is None else jnp.clip(x, -clamp * gain, clamp * gain)


class FullyConnected(nn.Module):
    """Dense layer [N, C] -> [N, features]: weight ~ N(0, 1) / lr_multiplier, used times lr_multiplier / sqrt(C)."""

    features: int
    activate: bool = False
    lr_multiplier: float = 1.0
    bias_init: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        weight = self.param("weight", nn.initializers.normal(1 / self.lr_multiplier), (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.constant(self.bias_init), (self.features,))
        weight = weight * (self.lr_multiplier / math.sqrt(x.shape[-1]))
        y = x.astype(weight.dtype) @ weight + bias * self.lr_multiplier
        return leaky_relu(y) if self.activate else y


class Conv(nn.Module):
    """Convolution [N, H, W, C] -> [N, H', W', features], weight ~ N(0, 1) used times 1 / sqrt(C k^2).

    `resample`: 2 doubles the resolution, -2 halves it, both with StyleGAN2's filter. Output times `gain`.
    """

    features: int
    kernel_size: int = 3
    resample: int = 1
    activate: bool = True
    use_bias: bool = True
    gain: float = 1.0
    clamp: float | None = None
    dtype: jnp.dtype | None = None  # None: that of the parameters

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        weight = self.param("weight", nn.initializers.normal(1.0), shape) / math.sqrt(math.prod(shape[:3]))
        dtype = self.dtype or weight.dtype
        x, weight = x.astype(dtype), weight.astype(dtype)
        if self.resample == 2:
            y = upsample_conv(x, weight)
        elif self.resample == -2:
            y = downsample_conv(x, weight)
        else:
            y = conv(x, weight, padding=self.kernel_size // 2)
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,)).astype(dtype)
        if self.activate:
            return leaky_relu(y, self.gain, self.clamp)
        return _clamped(y * self.gain, self.gain, self.clamp)
