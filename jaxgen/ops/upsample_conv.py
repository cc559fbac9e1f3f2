"""Convolutions that double the resolution, done on the low-resolution grid on CPU: fewer FLOPs, no inserted zeros."""

import jax.numpy as jnp

from jaxgen.ops.backend import traced_for_cpu
from jaxgen.ops.conv import conv


def conv_transpose_4x4(x, kernel):
    """4x4 stride-2 transposed convolution, the same as `lax.conv_transpose(x, kernel, (2, 2), "SAME")`.

    x: [N, H, W, C_in]; kernel: [4, 4, C_in, C_out]; returns [N, 2H, 2W, C_out].
    """
    return conv(x, kernel, padding=2, input_dilation=2)


def upsample_conv_3x3(x, kernel):
    """Nearest-neighbour 2x upsampling, then a 3x3 convolution with SAME padding.

    x: [N, H, W, C_in]; kernel: [3, 3, C_in, C_out]; returns [N, 2H, 2W, C_out].
    """
    if not traced_for_cpu():
        return conv(x.repeat(2, axis=1).repeat(2, axis=2), kernel, padding=1)
    return conv_transpose_4x4(x, _fold(_fold(kernel).swapaxes(0, 1)).swapaxes(0, 1))


def conv_3x3_average_pool(x, kernel):
    """3x3 convolution with SAME padding, then 2x2 average pooling, as one 4x4 stride-2 convolution (16 taps, not 36).

    x: [N, H, W, C_in], H and W even; kernel: [3, 3, C_in, C_out]; returns [N, H/2, W/2, C_out].
    """
    return conv(x, _fold(_fold(kernel).swapaxes(0, 1)).swapaxes(0, 1) / 4, stride=2, padding=1)


def _fold(kernel):
    """The leading axis [a, b, c] convolved with [1, 1]: [a, a + b, b + c, c]."""
    edge = ((0, 1), *((0, 0),) * (kernel.ndim - 1))
    return jnp.pad(kernel, edge) + jnp.pad(kernel, [pair[::-1] for pair in edge])
