"""3x3 convolution in groups of channels, with derivatives of any order that stay fast on XLA's CPU backend.

Each group of output channels sees the input channels of its own group alone. XLA's CPU backend computes the gradients
of grouped convolutions many times slower than matrix products. On CPUs the convolution is here a batch of matrix
products, one for each group, and so is every derivative. Accelerators get `lax.conv_general_dilated`.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxgen.ops.across_devices import same_varying
from jaxgen.ops.backend import traced_for_cpu
from jaxgen.ops.conv import DIMENSIONS

_SIZE = 3


def grouped_conv_3x3(x, kernel):
    """The convolution (cross-correlation), with zeros beyond the borders.

    Args:
      x: [N, H, W, G * C_in], float32 or bfloat16 (sums are float32).
      kernel: [3, 3, C_in, G * C_out].

    Returns:
      [N, H, W, G * C_out] in the dtype of x.
    """
    groups = x.shape[-1] // kernel.shape[2]
    if not traced_for_cpu():
        options = {"dimension_numbers": DIMENSIONS, "feature_group_count": groups}
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", **options)
    x, kernel = same_varying(x, kernel)
    # Groups come first: then each product has its numbers side by side.
    kernel = jnp.moveaxis(kernel.reshape(*kernel.shape[:3], groups, -1), 3, 0)
    x = jnp.moveaxis(x.reshape(*x.shape[:3], groups, -1), 3, 0)
    y = jnp.moveaxis(_conv(x, kernel), 0, 3)
    return y.reshape(*y.shape[:3], -1)


@jax.custom_vjp
def _conv(x, kernel):
    """[G, N, H, W, C_in] and [G, 3, 3, C_in, C_out] -> [G, N, H, W, C_out]."""
    taps = kernel.reshape(kernel.shape[0], -1, kernel.shape[-1])
    return jnp.einsum("gnhwi,gio->gnhwo", _patches(x), taps, preferred_element_type=jnp.float32).astype(x.dtype)


def _conv_forward(x, kernel):
    return _conv(x, kernel), (x, kernel)


def _conv_backward(residuals, g):
    x, kernel = residuals
    return _conv(g, _turned(kernel)), _kernel_gradient(x, g)


_conv.defvjp(_conv_forward, _conv_backward)


@jax.custom_vjp
def _kernel_gradient(x, g):
    """The gradient [G, 3, 3, C_in, C_out] of sum(g * conv(x, kernel)) with respect to the kernel."""
    products = jnp.einsum("gnhwi,gnhwo->gio", _patches(x), g, preferred_element_type=jnp.float32)
    return products.reshape(x.shape[0], _SIZE, _SIZE, x.shape[-1], g.shape[-1]).astype(x.dtype)


def _kernel_gradient_forward(x, g):
    return _kernel_gradient(x, g), (x, g)


def _kernel_gradient_backward(residuals, u):
    """The gradient is bilinear: against u it is the sum of g * conv(x, u)."""
    x, g = residuals
    return _conv(g, _turned(u)), _conv(x, u)


_kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)


def _turned(kernel):
    """The kernel of the transposed convolution."""
    return jnp.flip(kernel, (1, 2)).swapaxes(3, 4)


def _patches(x):
    """[G, N, H, W, C] -> [G, N, H, W, 9 * C]: each pixel with its neighbours."""
    _, _, height, width, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [padded[:, :, i : i + height, j : j + width] for i in range(_SIZE) for j in range(_SIZE)]
    return jnp.concatenate(taps, axis=-1)
