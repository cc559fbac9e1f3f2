"""Modulated convolution (Karras et al. 2020, section 2.2): a style scales the input channels."""

import jax
import jax.numpy as jnp

from jaxgen.ops.conv import conv
from jaxgen.ops.resample import upsample_conv

_EPSILON = 1e-8


def modulated_conv(x, kernel, styles, *, demodulate: bool = True, up: int = 1, fused: bool = False):
    """A convolution whose kernel is scaled for each image: w' = s w, w'' = w' / sqrt(sum w'^2 + 1e-8); eqs. 1 and 3.

    Args:
      x: [N, H, W, C], float32 or a half precision, in which kernel and styles are normalised first so that nothing
        overflows (only where demodulation makes their scales irrelevant).
      kernel: [k, k, C, O] float32, k odd.
      styles: [N, C] float32.
      demodulate: whether the expected variance of each output channel is brought to that of the input.
      up: 1, or 2 to double the resolution with the filter `BINOMIAL`.
      fused: False scales activations before and after one convolution for all images; True makes each image's own
        kernel, a grouped convolution. The same numbers; grouped ones are slow on CPUs and in training.

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
