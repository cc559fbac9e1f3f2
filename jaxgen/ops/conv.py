"""Convolution whose derivatives, of any order, stay fast on XLA's CPU backend, in and out of `lax.scan`.

As JAX differentiates a convolution, both gradients have dimension numbers that XLA's CPU backend runs as a naive loop
inside `scan`, `while` and `cond`: ten times slower and more. Here each gradient is again a convolution in the plain
layout, or matrix products, so every derivative of a derivative is too. Accelerators get `lax.conv_general_dilated`.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxgen.ops.backend import traced_for_cpu
from jaxgen.ops.varying import same_varying

DIMENSIONS = ("NHWC", "HWIO", "NHWC")
Pads = tuple[tuple[int, int], tuple[int, int]]


class Geometry(NamedTuple):
    """Where a convolution's taps fall; every field is (height, width)."""

    stride: tuple[int, int]
    pads: Pads
    input_dilation: tuple[int, int]
    kernel_dilation: tuple[int, int]


def conv(x, kernel, stride=1, padding="SAME", input_dilation=1, kernel_dilation=1):
    """Two-dimensional convolution (cross-correlation, as in every network library).

    Args:
      x: [N, H, W, C_in], float32 or bfloat16 (sums are float32).
      kernel: [kh, kw, C_in, C_out].
      stride, input_dilation, kernel_dilation: one int, or (height, width).
      padding: "SAME" or "VALID" as in `lax` (without input dilation only), an int for every side, or
        ((top, bottom), (left, right)); negative numbers crop.

    Returns:
      [N, H_out, W_out, C_out] in the dtype of x.
    """
    x, kernel = same_varying(x, kernel)
    stride, input_dilation, kernel_dilation = _pair(stride), _pair(input_dilation), _pair(kernel_dilation)
    extents = [(k - 1) * d + 1 for k, d in zip(kernel.shape, kernel_dilation, strict=False)]
    pads = resolve_padding(padding, x.shape[1:3], extents, stride)
    geometry = Geometry(stride, pads, input_dilation, kernel_dilation)
    return _fast_conv(x, kernel, geometry) if traced_for_cpu() else _lax_conv(x, kernel, geometry)


def resolve_padding(padding, sizes, extents, stride) -> Pads:
    """Padding as ((top, bottom), (left, right)); `extents` are the kernel's sizes after dilation."""
    if isinstance(padding, int):
        return ((padding, padding), (padding, padding))
    if isinstance(padding, str):
        return tuple(lax.padtype_to_pads(sizes, extents, stride, padding))
    return tuple((int(low), int(high)) for low, high in padding)


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _lax_conv(x, kernel, geometry: Geometry):
    return lax.conv_general_dilated(
        x, kernel, geometry.stride, geometry.pads, geometry.input_dilation, geometry.kernel_dilation, DIMENSIONS
    )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _fast_conv(x, kernel, geometry: Geometry):
    return _lax_conv(x, kernel, geometry)


def _fast_conv_forward(x, kernel, geometry):
    return _fast_conv(x, kernel, geometry), (x, kernel)


def _fast_conv_backward(geometry, residuals, g):
    x, kernel = residuals
    return (
        _input_gradient(g, kernel, x.shape[1:3], geometry),
        _kernel_gradient(x, g, kernel.shape[:2], geometry),
    )


_fast_conv.defvjp(_fast_conv_forward, _fast_conv_backward)


def _input_gradient(g, kernel, input_size, geometry: Geometry):
    """The convolution of g with the kernel turned and its channels swapped *explicitly*; stride becomes dilation."""
    pads = []
    for axis in (0, 1):
        extent = (kernel.shape[axis] - 1) * geometry.kernel_dilation[axis] + 1
        dilated_input = (input_size[axis] - 1) * geometry.input_dilation[axis] + 1
        dilated_output = (g.shape[1 + axis] - 1) * geometry.stride[axis] + 1
        low = extent - 1 - geometry.pads[axis][0]
        pads.append((low, dilated_input + extent - 1 - dilated_output - low))
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    return _fast_conv(
        g, turned, Geometry(geometry.input_dilation, tuple(pads), geometry.stride, geometry.kernel_dilation)
    )


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _kernel_gradient(x, g, kernel_size: tuple[int, int], geometry: Geometry):
    """Gradient [kh, kw, C_in, C_out]: one strided slice of x and one matrix product over N*H*W for each tap."""
    n, height, width, c_out = g.shape
    c_in = x.shape[-1]
    padded = lax.pad(
        x,
        jnp.zeros((), x.dtype),
        (
            (0, 0, 0),
            *((low, high, d - 1) for (low, high), d in zip(geometry.pads, geometry.input_dilation, strict=True)),
            (0, 0, 0),
        ),
    )
    g = g.reshape(-1, c_out)
    taps = []
    for i, j in ((i, j) for i in range(kernel_size[0]) for j in range(kernel_size[1])):
        top, left = i * geometry.kernel_dilation[0], j * geometry.kernel_dilation[1]
        bottom = top + (height - 1) * geometry.stride[0] + 1
        right = left + (width - 1) * geometry.stride[1] + 1
        tap = lax.slice(padded, (0, top, left, 0), (n, bottom, right, c_in), (1, *geometry.stride, 1))
        taps.append(_contract_rows(tap.reshape(-1, c_in), g))
    return jnp.stack(taps).reshape(*kernel_size, c_in, c_out)


def _contract_rows(a, b):
    """Matrix product of a [rows, m] and b [rows, n] over the rows, summed in float32, in the dtype of a."""
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())), preferred_element_type=jnp.float32).astype(a.dtype)


def _kernel_gradient_forward(x, g, kernel_size, geometry):
    return _kernel_gradient(x, g, kernel_size, geometry), (x, g)


def _kernel_gradient_backward(kernel_size, geometry, residuals, u):
    """The kernel gradient is bilinear: against u it is the sum of g * conv(x, u)."""
    x, g = residuals
    return _input_gradient(g, u, x.shape[1:3], geometry), _fast_conv(x, u, geometry)


_kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)
