"""Gradients of convolution kernels as matrix products over pixels, in pieces of the batch that stay in the cache."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxgen.ops import winograd_3x3, winograd_4x4, winograd_stride_2
from jaxgen.ops.conv_geometry import Geometry, turned
from jaxgen.ops.varying import same_varying

# Bytes of images and output gradients in one piece: measured best between 100 and 400 KB on a core with 1 MB of L2.
_PIECE_BYTES = 256 * 1024
# With fewer channels than this, a product for one tap is too thin to run well: taps are put side by side.
_FEW_CHANNELS = 16


def kernel_gradient_products(x, g, kernel_size: tuple[int, int], geometry: Geometry):
    """Gradient [kh, kw, C_in, C_out] of sum(g * conv(x, kernel)) with respect to the kernel.

    Every product has N*H*W as its long, summed dimension and the narrower operand first, which is how XLA's CPU
    backend multiplies fastest; see `conv` for the arguments.
    """
    if geometry.is_plain and max(geometry.input_dilation) > 1:
        # The transposed convolution: the same sum with the roles of x and g exchanged, and no zeros to multiply.
        return turned(kernel_gradient_products(g, x, kernel_size, geometry.exchanged(kernel_size)))
    if geometry.is_4x4_stride_2(kernel_size) and winograd_4x4.pays(x.shape, g.shape[-1], x.dtype):
        products = partial(winograd_4x4.kernel_gradient, contract=_contract_pixels)
        # The sum over pieces moves the whole gradient once a piece: larger pieces for larger gradients.
        return _over_pieces(x, g, products, max(_PIECE_BYTES, 4 * 16 * x.shape[-1] * g.shape[-1]))
    if winograd_3x3.pays(kernel_size, geometry, x.shape, g.shape[-1], x.dtype):
        products = partial(winograd_3x3.kernel_gradient, contract=_contract_pixels)
        # Both transformed images are four times as large as they were.
        return _over_pieces(x, g, products, winograd_3x3.PIECE_BYTES // 2)
    least = winograd_stride_2.MIN_PIXELS_OF_GRADIENT
    if winograd_stride_2.pays(kernel_size, geometry, x.shape, g.shape, x.dtype, least):
        products = partial(winograd_stride_2.kernel_gradient, pads=geometry.pads, contract=_contract_pixels)
        return _over_pieces(x, g, products, winograd_3x3.PIECE_BYTES // 2)
    if g.shape[-1] < _FEW_CHANNELS < x.shape[-1] and geometry.is_plain:
        # x meets shifted copies of g instead of g shifted copies of x.
        products = partial(_products, kernel_size=kernel_size, geometry=geometry.exchanged(kernel_size))
        return turned(_over_pieces(g, x, products, _PIECE_BYTES))
    return _over_pieces(x, g, partial(_products, kernel_size=kernel_size, geometry=geometry), _PIECE_BYTES)


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
