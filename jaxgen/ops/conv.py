"""Convolution with derivatives of any order that stay fast on XLA's CPU backend, in and out of `lax.scan`.

JAX differentiates a convolution into gradients with unusual dimension numbers. XLA's CPU backend runs them as a naive
loop inside `scan`, `while` and `cond`, ten times slower and more. Here each gradient is again a convolution in the
plain layout, or matrix products. So is every further derivative. Accelerators get `lax.conv_general_dilated`.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxgen.ops import winograd_3x3, winograd_4x4
from jaxgen.ops.across_devices import same_varying
from jaxgen.ops.backend import traced_for_cpu
from jaxgen.ops.conv_geometry import Geometry, resolve_padding, turned

DIMENSIONS = ("NHWC", "HWIO", "NHWC")
# Bytes of images and output gradients in one piece: measured best between 100 and 400 KB on a core with 1 MB of L2.
_PIECE_BYTES = 256 * 1024
# With fewer channels than this, a product for one tap is too thin to run well: taps are put side by side.
_FEW_CHANNELS = 16


def conv(x, kernel, stride=1, padding="SAME", input_dilation=1):
    """Two-dimensional convolution (cross-correlation, as in every network library).

    Args:
      x: [N, H, W, C_in], float32 or bfloat16 (sums are float32).
      kernel: [kh, kw, C_in, C_out].
      stride, input_dilation: one int, or (height, width).
      padding: "SAME" or "VALID" as in `lax` (without input dilation only), an int for every side, or
        ((top, bottom), (left, right)). Negative numbers crop.

    Returns:
      [N, H_out, W_out, C_out] in the dtype of x.
    """
    x, kernel = same_varying(x, kernel)
    stride, input_dilation = _pair(stride), _pair(input_dilation)
    geometry = Geometry(stride, resolve_padding(padding, x.shape[1:3], kernel.shape[:2], stride), input_dilation)
    return _fast_conv(x, kernel, geometry) if traced_for_cpu() else _lax_conv(x, kernel, geometry)


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _lax_conv(x, kernel, geometry: Geometry):
    options = {"lhs_dilation": geometry.input_dilation, "dimension_numbers": DIMENSIONS}
    return lax.conv_general_dilated(x, kernel, geometry.stride, geometry.pads, **options)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _fast_conv(x, kernel, geometry: Geometry):
    c_out = kernel.shape[3]
    if winograd_3x3.pays(kernel.shape, geometry, x.shape, c_out, x.dtype):
        return winograd_3x3.conv(x, kernel)
    output_shape = geometry.output_shape(x.shape, kernel.shape)
    least = winograd_3x3.MIN_PIXELS_STRIDE_2
    if winograd_3x3.pays_stride_2(kernel.shape, geometry, x.shape, output_shape, x.dtype, least):
        return winograd_3x3.conv_stride_2(x, kernel, geometry.pads, output_shape[1:3])
    if geometry.is_4x4_stride_2(kernel.shape) and winograd_4x4.pays(x.shape, c_out, x.dtype):
        return winograd_4x4.conv_4x4_stride_2(x, kernel)
    if geometry.is_plain and max(geometry.input_dilation) > 1:
        output_shape = (x.shape[0], 2 * x.shape[1], 2 * x.shape[2], c_out)
        if geometry.is_transposed_4x4(kernel.shape) and winograd_4x4.pays(output_shape, x.shape[3], x.dtype):
            return winograd_4x4.input_gradient(x, turned(kernel))
        return _subpixel_conv(x, kernel, geometry)
    return _lax_conv(x, kernel, geometry)


def _fast_conv_forward(x, kernel, geometry):
    return _fast_conv(x, kernel, geometry), (x, kernel)


def _fast_conv_backward(geometry, residuals, g):
    x, kernel = residuals
    return _input_gradient(g, kernel, x.shape[1:3], geometry), kernel_gradient(x, g, kernel.shape[:2], geometry)


_fast_conv.defvjp(_fast_conv_forward, _fast_conv_backward)


def _input_gradient(g, kernel, input_size, geometry: Geometry):
    """The convolution of g with the kernel turned and its channels swapped *explicitly*; stride becomes dilation."""
    pads = []
    for axis in (0, 1):
        extent = kernel.shape[axis]
        dilated_input = (input_size[axis] - 1) * geometry.input_dilation[axis] + 1
        dilated_output = (g.shape[1 + axis] - 1) * geometry.stride[axis] + 1
        low = extent - 1 - geometry.pads[axis][0]
        pads.append((low, dilated_input + extent - 1 - dilated_output - low))
    geometry = Geometry(geometry.input_dilation, tuple(pads), geometry.stride)
    return _fast_conv(g, turned(kernel), geometry)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def kernel_gradient(x, g, kernel_size: tuple[int, int], geometry: Geometry):
    """Gradient [kh, kw, C_in, C_out] of sum(g * conv(x, kernel)) with respect to the kernel, as matrix products.

    Every product has N*H*W as its long, summed dimension and the narrower operand first. This is fastest on XLA's CPU
    backend. The products use pieces of the batch that stay in the cache.
    """
    if geometry.is_plain and max(geometry.input_dilation) > 1:
        # The transposed convolution: the same sum with the roles of x and g exchanged, and no zeros to multiply.
        return turned(kernel_gradient(g, x, kernel_size, geometry.exchanged(kernel_size)))
    if geometry.is_4x4_stride_2(kernel_size) and winograd_4x4.pays(x.shape, g.shape[-1], x.dtype):
        products = partial(winograd_4x4.kernel_gradient, contract=_contract_pixels)
        # The sum over pieces moves the whole gradient once a piece: larger pieces for larger gradients.
        return _over_pieces(x, g, products, max(_PIECE_BYTES, 4 * 16 * x.shape[-1] * g.shape[-1]))
    if winograd_3x3.pays(kernel_size, geometry, x.shape, g.shape[-1], x.dtype):
        products = partial(winograd_3x3.kernel_gradient, contract=_contract_pixels)
        # Both transformed images are four times as large as they were.
        return _over_pieces(x, g, products, winograd_3x3.PIECE_BYTES // 2)
    least = winograd_3x3.MIN_PIXELS_OF_GRADIENT_STRIDE_2
    if winograd_3x3.pays_stride_2(kernel_size, geometry, x.shape, g.shape, x.dtype, least):
        products = partial(winograd_3x3.kernel_gradient_stride_2, pads=geometry.pads, contract=_contract_pixels)
        return _over_pieces(x, g, products, winograd_3x3.PIECE_BYTES // 2)
    if g.shape[-1] < _FEW_CHANNELS < x.shape[-1] and geometry.is_plain:
        # x meets shifted copies of g instead of g shifted copies of x.
        products = partial(_products, kernel_size=kernel_size, geometry=geometry.exchanged(kernel_size))
        return turned(_over_pieces(g, x, products, _PIECE_BYTES))
    return _over_pieces(x, g, partial(_products, kernel_size=kernel_size, geometry=geometry), _PIECE_BYTES)


def _kernel_gradient_forward(x, g, kernel_size, geometry):
    return kernel_gradient(x, g, kernel_size, geometry), (x, g)


def _kernel_gradient_backward(kernel_size, geometry, residuals, u):
    """The kernel gradient is bilinear: against u it is the sum of g * conv(x, u)."""
    x, g = residuals
    return _input_gradient(g, u, x.shape[1:3], geometry), _fast_conv(x, u, geometry)


kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)


def _subpixel_conv(x, kernel, geometry: Geometry):
    """Convolution of a dilated input without its zeros: one small convolution for each parity of the output pixels.

    Output pixel d*i + a meets input pixels through every d-th tap only.
    """
    (dh, dw), n, c_out = geometry.input_dilation, x.shape[0], kernel.shape[3]
    height, width = (
        (x.shape[1 + axis] - 1) * geometry.input_dilation[axis] + 2 + sum(geometry.pads[axis]) - kernel.shape[axis]
        for axis in (0, 1)
    )
    rows, columns = -(-height // dh), -(-width // dw)
    phases = []
    for a in range(dh):
        first_row, top = _phase(a, dh, geometry.pads[0][0])
        for b in range(dw):
            first_column, left = _phase(b, dw, geometry.pads[1][0])
            taps = kernel[first_row::dh, first_column::dw]
            if taps.size == 0:
                phases.append(jnp.zeros_like(x, shape=(n, rows, columns, c_out)))
                continue
            bottom = rows - 1 + taps.shape[0] - top - x.shape[1]
            right = columns - 1 + taps.shape[1] - left - x.shape[2]
            plain = Geometry((1, 1), ((top, bottom), (left, right)), (1, 1))
            phases.append(_lax_conv(x, taps, plain))
    y = jnp.stack(phases, 3).reshape(n, rows, columns, dh, dw, c_out)
    y = y.transpose(0, 1, 3, 2, 4, 5).reshape(n, rows * dh, columns * dw, c_out)
    return y[:, :height, :width]


def _phase(parity: int, dilation: int, low: int) -> tuple[int, int]:
    """First tap that output pixels of this parity meet, and the padding before the input they then need."""
    first = (low - parity) % dilation
    return first, (low - parity - first) // dilation


def _over_pieces(x, g, products, piece_bytes: int):
    """The sum of `products` over pieces of the batch, in the dtype of x."""
    n, c_in, pixels = x.shape[0], x.shape[-1], g.shape[1] * g.shape[2]
    piece = max(1, min(n, piece_bytes // (4 * pixels * (c_in + g.shape[-1]))))
    while n % piece:
        piece -= 1
    if piece == n:
        return products(x, g).astype(x.dtype)

    def add(total, xg):
        return total + products(*xg), None

    pieces = (x.reshape(-1, piece, *x.shape[1:]), g.reshape(-1, piece, *g.shape[1:]))
    zeros = jnp.zeros(jax.eval_shape(products, x, g).shape, jnp.float32)
    total, _ = lax.scan(add, same_varying(zeros, x)[0], pieces)
    return total.astype(x.dtype)


def _products(x, g, kernel_size, geometry: Geometry):
    """One product for each tap, or for each row of taps where channels are few; float32."""
    n, height, width, c_out = g.shape
    c_in, (kh, kw) = x.shape[-1], kernel_size
    dilations = zip(geometry.pads, geometry.input_dilation, strict=True)
    edges = [(low, high, dilation - 1) for (low, high), dilation in dilations]
    padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
    g = g.reshape(-1, c_out)

    def tap(i, j):
        bottom = i + (height - 1) * geometry.stride[0] + 1
        right = j + (width - 1) * geometry.stride[1] + 1
        return lax.slice(padded, (0, i, j, 0), (n, bottom, right, c_in), (1, *geometry.stride, 1))

    if c_in < _FEW_CHANNELS:
        rows = [jnp.concatenate([tap(i, j) for j in range(kw)], -1) for i in range(kh)]
        return jnp.stack([_contract_pixels(row.reshape(-1, kw * c_in), g) for row in rows]).reshape(kh, kw, c_in, c_out)
    taps = [_contract_pixels(tap(i, j).reshape(-1, c_in), g) for i in range(kh) for j in range(kw)]
    return jnp.stack(taps).reshape(kh, kw, c_in, c_out)


def _contract_pixels(a, b):
    """a^T b of [pixels, m] and [pixels, n], summed in float32."""
    if a.shape[1] > b.shape[1]:
        return _contract_pixels(b, a).T
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())), preferred_element_type=jnp.float32)
