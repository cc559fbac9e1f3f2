"""3x3 convolutions and their kernel gradients with 4/9 of the multiplications.

Along one axis two neighbouring outputs, y0 = d0 w0 + d1 w1 + d2 w2 and y1 = d1 w0 + d2 w1 + d3 w2, need four products
instead of six (Winograd's F(2, 3); Lavin & Gray, 2016): m0 = (d0 - d2) w0, m1 = (d1 + d2) (w0 + w1 + w2) / 2,
m2 = (d2 - d1) (w0 - w1 + w2) / 2, m3 = (d1 - d3) w2; y0 = m0 + m1 + m2, y1 = m1 - m2 - m3. Along both axes that is 16
matrix products for 36. The coefficients are 0, +-1 and 1/2: in float32 the result is within about 1e-6 of the plain
sum, relative to its largest value.

The transformed image is four times as large as the image, so it is made for a piece of the batch at a time.
"""

import jax.numpy as jnp
from jax import lax

from jaxgen.ops.conv_geometry import Geometry

# With fewer channels on either side, the additions cost more than the products saved.
_MIN_CHANNELS = 32
# With fewer pixels in the batch, to transform the kernel costs more than it saves.
_MIN_PIXELS = 128
# Bytes of a piece's transformed image: measured best between 4 and 16 MB on two cores that share their last cache.
PIECE_BYTES = 8 * 2**20


def pays(kernel_size: tuple[int, ...], geometry: Geometry, image_shape, channels: int, dtype) -> bool:
    """Whether to use it for images [N, H, W, C] and `channels` outputs; bfloat16 would round the sums."""
    n, height, width, c = image_shape
    here = tuple(kernel_size[:2]) == (3, 3) and geometry == Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1))
    large = min(c, channels) >= _MIN_CHANNELS and n * height * width >= _MIN_PIXELS
    return here and large and height % 2 == 0 and width % 2 == 0 and dtype == jnp.float32


def conv(x, kernel):
    """Convolution with padding 1: [N, H, W, C], [3, 3, C, O] -> [N, H, W, O]; H and W even."""
    n, height, width, c = x.shape
    kernels = [_kernel_terms(*(row[j] for j in range(3))) for row in _kernel_terms(*kernel)]
    piece = max(1, min(n, PIECE_BYTES // (16 * height * width * c)))
    while n % piece:
        piece -= 1
    if piece == n:
        return _conv_of_piece(x, kernels)
    pieces = lax.map(lambda x: _conv_of_piece(x, kernels), x.reshape(-1, piece, height, width, c))
    return pieces.reshape(n, height, width, -1)


def _conv_of_piece(x, kernels):
    n, height, width, _ = x.shape
    tiles = (n, height // 2, width // 2, kernels[0][0].shape[1])
    products = [
        [(a @ b).reshape(tiles) for a, b in zip(*row, strict=True)]
        for row in zip(_image_terms(x), kernels, strict=True)
    ]
    columns = [_outputs(*column) for column in zip(*products, strict=True)]
    rows = [jnp.stack(_outputs(*(column[a] for column in columns)), 3) for a in (0, 1)]
    return jnp.stack(rows, 2).reshape(n, height, width, -1)


def kernel_gradient(x, g, contract):
    """Gradient [3, 3, C, O] for x [N, H, W, C] and g [N, H, W, O]; `contract(a, b)` is a^T b, summed over rows."""
    products = [
        [contract(a, b) for a, b in zip(*row, strict=True)]
        for row in zip(_image_terms(x), _output_terms(g), strict=True)
    ]
    columns = [_taps(*column) for column in zip(*products, strict=True)]
    return jnp.stack([jnp.stack(_taps(*(column[i] for column in columns))) for i in range(3)])


def _image_terms(x):
    """4x4 matrices [tiles, C] of the tiles of 4x4 pixels, which overlap by two."""
    _, height, width, c = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows = _differences(*(padded[:, i : i + height - 1 : 2] for i in range(4)))
    terms = [_differences(*(row[:, :, j : j + width - 1 : 2] for j in range(4))) for row in rows]
    return [[term.reshape(-1, c) for term in row] for row in terms]


def _differences(d0, d1, d2, d3):
    return d0 - d2, d1 + d2, d2 - d1, d1 - d3


def _kernel_terms(w0, w1, w2):
    outer, inner = 0.5 * (w0 + w2), 0.5 * w1
    return w0, outer + inner, outer - inner, w2


def _outputs(m0, m1, m2, m3):
    return m0 + m1 + m2, m1 - m2 - m3


def _output_terms(g):
    """4x4 matrices [tiles, O]: the transpose of how products become outputs."""
    rows = _transposed_outputs(g[:, ::2], g[:, 1::2])
    terms = [_transposed_outputs(row[:, :, ::2], row[:, :, 1::2]) for row in rows]
    return [[term.reshape(-1, g.shape[-1]) for term in row] for row in terms]


def _transposed_outputs(g0, g1):
    return g0, g0 + g1, g0 - g1, -g1


def _taps(u0, u1, u2, u3):
    """The transpose of `_kernel_terms`."""
    outer = 0.5 * (u1 + u2)
    return u0 + outer, 0.5 * (u1 - u2), outer + u3
