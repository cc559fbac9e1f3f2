"""Layers with an equalised learning rate (Karras et al. 2018, section 4.1): weights ~ N(0, 1), scaled on use.

Built from them: the mapping network z -> w, truncation (Karras et al. 2019, sections 2 and B), modulated convolution.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.ops.conv import conv
from jaxgen.ops.resample import downsample_conv, upsample_conv

_SQRT2 = math.sqrt(2)
_EPSILON = 1e-8


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


def modulated_conv(x, kernel, styles, *, demodulate: bool = True, up: int = 1, fused: bool = False):
    """A convolution whose kernel is scaled for each image: w' = s w, w'' = w' / sqrt(sum w'^2 + 1e-8).

    Karras et al. 2020, section 2.2, equations 1 and 3.

    Args:
      x: [N, H, W, C], float32 or a half precision. Half precision first normalises kernel and styles against overflow,
        if demodulation makes their scales irrelevant.
      kernel: [k, k, C, O] float32, k odd.
      styles: [N, C] float32.
      demodulate: whether to bring the expected variance of each output channel to that of the input.
      up: 1, or 2 to double the resolution with the filter `BINOMIAL`.
      fused: False scales activations before and after one convolution for all images. True makes a kernel for each
        image, in a grouped convolution. The numbers are equal. Grouped convolutions are slow on CPUs and in training.

    Returns:
      [N, up * H, up * W, O] in the dtype of x.
    """
    if x.dtype.itemsize < 4 and demodulate:
        kernel = kernel / (jnp.sqrt(kernel[..., 0].size) * jnp.abs(kernel).max((0, 1, 2), keepdims=True))
        styles = styles / jnp.abs(styles).max(1, keepdims=True)

    def convolve(x, kernel):
        if up == 2:
            return upsample_conv(x, kernel)
        return conv(x, kernel, padding=kernel.shape[0] // 2)

    if fused:
        kernels = kernel * styles[:, None, None, :, None]
        if demodulate:
            kernels = kernels * jax.lax.rsqrt(jnp.sum(kernels**2, axis=(1, 2, 3), keepdims=True) + _EPSILON)
        return jax.vmap(lambda x, kernel: convolve(x[None], kernel)[0])(x, kernels.astype(x.dtype))
    y = convolve(x * styles[:, None, None].astype(x.dtype), kernel.astype(x.dtype))
    if demodulate:
        energy = jnp.matmul(styles**2, jnp.sum(kernel**2, axis=(0, 1)))
        y = y * jax.lax.rsqrt(energy + _EPSILON)[:, None, None].astype(x.dtype)
    return y


class Mapping(nn.Module):
    """Latents [N, z_dim] and classes [N] to w [N, w_dim].

    Without latents (z_dim 0: the discriminator's conditioning) only the classes are mapped. The collection "w_avg"
    holds the mean of w that truncation pulls towards. The recipe moves it.
    """

    w_dim: int
    num_layers: int = 8
    num_classes: int = 0
    lr_multiplier: float = 0.01
    tracks_average: bool = True

    @nn.compact
    def __call__(self, latents: jax.Array | None, labels: jax.Array | None = None) -> jax.Array:
        parts = [] if latents is None else [second_moment_normalised(latents)]
        if self.num_classes:
            embedded = FullyConnected(self.w_dim, name="embed")(jax.nn.one_hot(labels, self.num_classes))
            parts.append(second_moment_normalised(embedded))
        x = jnp.concatenate(parts, axis=-1)
        for i in range(self.num_layers):
            x = FullyConnected(self.w_dim, activate=True, lr_multiplier=self.lr_multiplier, name=f"fc{i}")(x)
        if self.tracks_average:
            self.variable("w_avg", "w_avg", jnp.zeros, (self.w_dim,))
        return x


def broadcast(w: jax.Array, num_ws: int) -> jax.Array:
    """One w for every layer: [N, D] -> [N, num_ws, D]."""
    return jnp.broadcast_to(w[:, None], (w.shape[0], num_ws, w.shape[1]))


def truncate(ws: jax.Array, w_avg: jax.Array, psi: float, cutoff: int | None = None) -> jax.Array:
    """ws [N, L, D] pulled to their average, w_avg + psi * (w - w_avg), in the first `cutoff` layers (None: in all)."""
    truncated = w_avg + psi * (ws - w_avg)
    return truncated if cutoff is None else jnp.concatenate([truncated[:, :cutoff], ws[:, cutoff:]], axis=1)
