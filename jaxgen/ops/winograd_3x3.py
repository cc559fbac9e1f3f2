"""3x3 convolutions and their kernel gradients with fewer multiplications (Winograd, Lavin & Gray, 2016, section 4).

Stride 1, F(2, 3). Along one axis, two neighbouring outputs need four products instead of six:

    y0 = d0 w0 + d1 w1 + d2 w2 = m0 + m1 + m2
    y1 = d1 w0 + d2 w1 + d3 w2 = m1 - m2 - m3
    m0 = (d0 - d2) w0, m1 = (d1 + d2) (w0 + w1 + w2) / 2, m2 = (d2 - d1) (w0 - w1 + w2) / 2, m3 = (d1 - d3) w2

Along both axes that is 16 matrix products for 36. The coefficients are 0, +-1 and 1/2. In float32 the result is within
about 1e-6 of the plain sum, relative to its largest value. The transformed image is four times as large as the image,
so it is made for a piece of the batch at a time.

Stride 2. Each output uses two even pixels and an odd pixel. The even pixels form a two-tap convolution, which needs
three products instead of four (F(2, 2)):

    y0 = e0 w0 + o0 w1 + e1 w2 = m0 + m1 + o0 w1
    y1 = e1 w0 + o1 w1 + e2 w2 = m1 + m2 + o1 w1
    m0 = (e0 - e1) w0, m1 = e1 (w0 + w2), m2 = (e2 - e1) w2

Along both axes that is 25 matrix products for 36. The coefficients are 0 and +-1. In float32 the result is as accurate
as the plain sum, which XLA's CPU backend also computes three times slower than matrix products.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxgen.ops.conv_geometry import Geometry, Pads

# With fewer channels on either side, the additions cost more than the products saved.
_MIN_CHANNELS = 32
# With fewer output pixels in the batch, to transform the kernel, or its gradient, costs more than it saves.
_MIN_PIXELS = 128
MIN_PIXELS_STRIDE_2, MIN_PIXELS_OF_GRADIENT_STRIDE_2 = 64, 1024
# Bytes of a piece's transformed image: measured best between 4 and 16 MB on two cores that share their last cache.
PIECE_BYTES = 8 * 2**20

Terms = list[list[jax.Array]]


class _Form(NamedTuple):
    """The factors along one axis, from a tile's pixels and a kernel's three taps, and a tile's two outputs.

    outputs: `(products) -> two outputs`. of_outputs: the transpose of `outputs`. taps: the transpose of `kernel`.
    pixels: side of a tile. Tiles are `step` apart.
    """

    image: Callable
    kernel: Callable
    outputs: Callable
    of_outputs: Callable
    taps: Callable
    pixels: int
    step: int


# Functions, so that each half is computed once: said twice, XLA would round its sums in another order.
def _kernel_stride_1(w0, w1, w2):
    outer, inner = 0.5 * (w0 + w2), 0.5 * w1
    return w0, outer + inner, outer - inner, w2


def _taps_stride_1(u0, u1, u2, u3):
    outer = 0.5 * (u1 + u2)
    return u0 + outer, 0.5 * (u1 - u2), outer + u3


_STRIDE_1 = _Form(
    image=lambda d0, d1, d2, d3: (d0 - d2, d1 + d2, d2 - d1, d1 - d3),
    kernel=_kernel_stride_1,
    outputs=lambda m0, m1, m2, m3: (m0 + m1 + m2, m1 - m2 - m3),
    of_outputs=lambda g0, g1: (g0, g0 + g1, g0 - g1, -g1),
    taps=_taps_stride_1,
    pixels=4,
    step=2,
)
_STRIDE_2 = _Form(
    image=lambda e0, o0, e1, o1, e2: (e0 - e1, e1, e2 - e1, o0, o1),
    kernel=lambda w0, w1, w2: (w0, w0 + w2, w2, w1, w1),
    outputs=lambda m0, m1, m2, n0, n1: (m0 + m1 + n0, m1 + m2 + n1),
    of_outputs=lambda g0, g1: (g0, g0 + g1, g1, g0, g1),
    taps=lambda u0, u1, u2, v0, v1: (u0 + u1, v0 + v1, u1 + u2),
    pixels=5,
    step=4,
)


def pays(kernel_size: tuple[int, ...], geometry: Geometry, image_shape, channels: int, dtype) -> bool:
    """Whether to use it for images [N, H, W, C] and `channels` outputs. bfloat16 would round the sums."""
    here = geometry == Geometry((1, 1), ((1, 1), (1, 1)), (1, 1))
    return here and _pays(kernel_size, image_shape, (*image_shape[:3], channels), dtype, _MIN_PIXELS)


def pays_stride_2(
    kernel_size: tuple[int, ...], geometry: Geometry, image_shape, output_shape, dtype, min_pixels: int
) -> bool:
    """Whether to use it for images [N, H, W, C] and outputs [N, h, w, O]. bfloat16 would round the sums."""
    here = geometry == Geometry((2, 2), geometry.pads, (1, 1))
    return here and _pays(kernel_size, image_shape, output_shape, dtype, min_pixels)


def _pays(kernel_size: tuple[int, ...], image_shape, output_shape, dtype, min_pixels: int) -> bool:
    n, height, width, channels = output_shape
    large = min(image_shape[-1], channels) >= _MIN_CHANNELS and n * height * width >= min_pixels
    even = height % 2 == 0 and width % 2 == 0
    return tuple(kernel_size[:2]) == (3, 3) and large and even and dtype == jnp.float32


def conv(x, kernel):
    """Convolution with padding 1: [N, H, W, C], [3, 3, C, O] -> [N, H, W, O]. H and W even."""
    n, height, width, c = x.shape
    kernels = _kernel_terms(_STRIDE_1, kernel)
    piece = max(1, min(n, PIECE_BYTES // (16 * height * width * c)))
    while n % piece:
        piece -= 1

    def of_piece(x):
        return _conv(_STRIDE_1, _padded(x), kernels, (*x.shape[:3], kernel.shape[3]))

    if piece == n:
        return of_piece(x)
    return lax.map(of_piece, x.reshape(-1, piece, height, width, c)).reshape(n, height, width, -1)


def conv_stride_2(x, kernel, pads: Pads, output_size: tuple[int, int]):
    """Convolution with the padding ((top, bottom), (left, right)): [N, H, W, C], [3, 3, C, O] -> [N, h, w, O]."""
    shape = (x.shape[0], *output_size, kernel.shape[3])
    return _conv(_STRIDE_2, _padded_stride_2(x, pads, output_size), _kernel_terms(_STRIDE_2, kernel), shape)


def kernel_gradient(x, g, contract: Callable):
    """Gradient [3, 3, C, O] for x [N, H, W, C] and g [N, H, W, O]. `contract(a, b)` is a^T b, summed over rows."""
    return _kernel_gradient(_STRIDE_1, _padded(x), g, contract)


def kernel_gradient_stride_2(x, g, pads: Pads, contract: Callable):
    """Gradient [3, 3, C, O] for x [N, H, W, C] and g [N, h, w, O]. `contract(a, b)` is a^T b, summed over rows."""
    return _kernel_gradient(_STRIDE_2, _padded_stride_2(x, pads, g.shape[1:3]), g, contract)


def _padded(x):
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))


def _padded_stride_2(x, pads: Pads, output_size: tuple[int, int]):
    """The image as far as the last output's last tap."""
    edges = [
        (low, 2 * size + 1 - length - low, 0)
        for (low, _), size, length in zip(pads, output_size, x.shape[1:3], strict=True)
    ]
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))


def multiply(product: Callable, left: Terms, right: Terms) -> Terms:
    """`product` of each pair of terms."""
    return [[product(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(left, right, strict=True)]


def _image_terms(form: _Form, padded, size: tuple[int, int]) -> Terms:
    """Matrices [tiles, C] of the tiles that outputs of `size` need, two a side a tile."""
    spans = [form.step * (side // 2 - 1) + 1 for side in size]
    rows = form.image(*(padded[:, i : i + spans[0] : form.step] for i in range(form.pixels)))
    tiles = [form.image(*(row[:, :, j : j + spans[1] : form.step] for j in range(form.pixels))) for row in rows]
    return [[term.reshape(-1, padded.shape[-1]) for term in row] for row in tiles]


def _kernel_terms(form: _Form, kernel) -> Terms:
    """Matrices [C, O] of a kernel [3, 3, C, O]."""
    return [form.kernel(*(row[j] for j in range(3))) for row in form.kernel(*kernel)]


def _conv(form: _Form, padded, of_kernel: Terms, shape: tuple[int, ...]):
    """The convolution's result, of `shape` [N, h, w, O]."""
    n, height, width, channels = shape
    tiles = (n, height // 2, width // 2, channels)
    of_image = _image_terms(form, padded, (height, width))
    products = multiply(lambda a, b: (a @ b).reshape(tiles), of_image, of_kernel)
    columns = [form.outputs(*column) for column in zip(*products, strict=True)]
    rows = [jnp.stack(form.outputs(*(column[a] for column in columns)), 3) for a in (0, 1)]
    return jnp.stack(rows, 2).reshape(shape)


def _kernel_gradient(form: _Form, padded, g, contract: Callable):
    rows = form.of_outputs(g[:, ::2], g[:, 1::2])
    tiles = [form.of_outputs(row[:, :, ::2], row[:, :, 1::2]) for row in rows]
    of_outputs = [[term.reshape(-1, g.shape[-1]) for term in row] for row in tiles]
    products = multiply(contract, _image_terms(form, padded, g.shape[1:3]), of_outputs)
    columns = [form.taps(*column) for column in zip(*products, strict=True)]
    return jnp.stack([jnp.stack(form.taps(*(column[i] for column in columns))) for i in range(3)])
