"""4x4 stride-2 convolutions, their transposes and kernel gradients with 9/16 of the multiplications.

On a grid of 2x2 blocks of pixels, a 4x4 stride-2 convolution is a 2x2 stride-1 convolution. Along one axis, two of its
outputs need three products instead of four (Winograd's F(2, 2), see Lavin & Gray, 2016):

    y0 = d0 w0 + d1 w1 = m0 + m1
    y1 = d1 w0 + d2 w1 = m1 + m2
    m0 = (d0 - d1) w0, m1 = d1 (w0 + w1), m2 = (d2 - d1) w1

Along both axes that is 9 matrix products for 16. The coefficients are 0 and +-1, so in float32 the result is as
accurate as the plain sum.

Below, `d` has an image's blocks as [N, T, 2, U, 2, C] for T x U tiles. The axes are block row, row within the block,
and so on.
"""

from itertools import pairwise

import jax.numpy as jnp
from jax import lax

from jaxgen.ops.winograd_3x3 import multiply

# With fewer channels on either side, the additions cost more than the products saved.
_MIN_CHANNELS = 32


def pays(image_shape, channels: int, dtype) -> bool:
    """Whether to use it between images [N, H, W, C] and [N, H/2, W/2, channels]. bfloat16 would round the sums."""
    _, height, width, c = image_shape
    return height % 4 == 0 and width % 4 == 0 and min(c, channels) >= _MIN_CHANNELS and dtype == jnp.float32


def conv_4x4_stride_2(x, kernel):
    """Convolution with padding 1: [N, H, W, C], [4, 4, C, O] -> [N, H/2, W/2, O]. H and W divisible by 4."""
    n, height, width, _ = x.shape
    products = multiply(jnp.matmul, _image_terms(x), _kernel_terms(kernel))
    rows = [[a + b for a, b in zip(*pair, strict=True)] for pair in pairwise(products)]
    tile = (n, height // 4, width // 4, kernel.shape[3])
    outputs = [jnp.stack([(a + b).reshape(tile) for a, b in pairwise(r)], 3) for r in rows]
    return jnp.stack(outputs, 2).reshape(n, height // 2, width // 2, -1)


def input_gradient(g, kernel):
    """The transposed convolution: [N, H/2, W/2, O], [4, 4, C, O] -> [N, H, W, C]."""
    n, height, width, _ = g.shape
    block = (n, height // 2, width // 2, 2, 2, kernel.shape[2])

    def product(a, b):
        return lax.dot_general(a, b, (((1,), (1,)), ((), ()))).reshape(block)

    terms = multiply(product, _output_terms(g), _kernel_terms(kernel))
    columns = [_scatter(*row, axis=2) for row in terms]
    parities = [_scatter(*(column[b] for column in columns), axis=1) for b in (0, 1)]
    # [N, T + 1, row parity of the block, U + 1, column parity, 2, 2, C]
    y = jnp.stack([jnp.stack([parity[a] for parity in parities], 3) for a in (0, 1)], 2)
    y = y.transpose(0, 1, 2, 5, 3, 4, 6, 7).reshape(n, 2 * height + 4, 2 * width + 4, -1)
    return y[:, 1 : 2 * height + 1, 1 : 2 * width + 1]


def kernel_gradient(x, g, contract):
    """Gradient [4, 4, C, O] for x [N, H, W, C] and g [N, H/2, W/2, O]. `contract(a, b)` is a^T b, summed over rows."""
    products = multiply(contract, _image_terms(x), _output_terms(g))
    rows = [[a + b for a, b in zip(*pair, strict=True)] for pair in pairwise(products)]
    shape = (2, 2, x.shape[-1], g.shape[-1])
    taps = [jnp.stack([(a + b).reshape(shape) for a, b in pairwise(r)], 1) for r in rows]
    # [row of blocks, row in the block, column of blocks, column in the block, C, O]
    return jnp.stack(taps).reshape(4, 4, *shape[2:])


def _image_terms(x):
    """3x3 matrices [tiles, 4C]: along each axis d0 - d1, d1, d2 - d1 of the blocks of a tile, which overlap by one."""
    n, height, width, c = x.shape
    d = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(n, height // 2 + 1, 2, width // 2 + 1, 2, c)
    rows = _differences(d[:, :-1:2], d[:, 1::2], d[:, 2::2])
    terms = [_differences(r[:, :, :, :-1:2], r[:, :, :, 1::2], r[:, :, :, 2::2]) for r in rows]
    return [[term.transpose(0, 1, 3, 2, 4, 5).reshape(-1, 4 * c) for term in row] for row in terms]


def _differences(d0, d1, d2):
    return d0 - d1, d1, d2 - d1


def _kernel_terms(kernel):
    """3x3 matrices [4C, O]: along each axis w0, w0 + w1, w1."""
    c, o = kernel.shape[2:]
    w = kernel.reshape(2, 2, 2, 2, c, o)
    terms = [_sums(row[:, 0], row[:, 1]) for row in _sums(w[0], w[1])]
    return [[term.reshape(4 * c, o) for term in row] for row in terms]


def _output_terms(g):
    """3x3 matrices [tiles, O]: along each axis g0, g0 + g1, g1, the transpose of how products become outputs."""
    n, height, width, o = g.shape
    g = g.reshape(n, height // 2, 2, width // 2, 2, o)
    terms = [_sums(row[:, :, :, 0], row[:, :, :, 1]) for row in _sums(g[:, :, 0], g[:, :, 1])]
    return [[term.reshape(-1, o) for term in row] for row in terms]


def _sums(a, b):
    return a, a + b, b


def _scatter(t0, t1, t2, axis: int):
    """The transpose of `_differences` on overlapping tiles: even and odd blocks, each one longer than the tiles."""

    def pad(t, low, high):
        return jnp.pad(t, [(low, high) if i == axis else (0, 0) for i in range(t.ndim)])

    return pad(t0, 0, 1) + pad(t2, 1, 0), pad(t1 - t0 - t2, 0, 1)
