"""3x3 stride-2 convolutions and their kernel gradients with 25/36 of the multiplications.

Along one axis an output meets two even pixels and an odd one, y0 = e0 w0 + o0 w1 + e1 w2, and so does its neighbour,
y1 = e1 w0 + o1 w1 + e2 w2. The even ones are a two-tap convolution, which needs three products instead of four
(Winograd's F(2, 2); Lavin & Gray, 2016): m0 = (e0 - e1) w0, m1 = e1 (w0 + w2), m2 = (e2 - e1) w2; y0 = m0 + m1 + o0 w1,
y1 = m1 + m2 + o1 w1. Along both axes that is 25 matrix products for 36. The coefficients are 0 and +-1, so in float32
it is as accurate as the plain sum, which XLA's CPU backend also computes three times slower than matrix products.
"""

import jax.numpy as jnp
from jax import lax

from jaxgen.ops.conv_geometry import Geometry

# With fewer channels on either side, the additions cost more than the products saved.
_MIN_CHANNELS = 32
# With fewer output pixels in the batch, to transform the kernel, or its gradient, costs more than it saves.
MIN_PIXELS, MIN_PIXELS_OF_GRADIENT = 64, 1024


def pays(kernel_size: tuple[int, ...], geometry: Geometry, image_shape, output_shape, dtype, min_pixels: int) -> bool:
    """Whether to use it for images [N, H, W, C] and outputs [N, h, w, O]; bfloat16 would round the sums."""
    n, height, width, channels = output_shape
    here = tuple(kernel_size[:2]) == (3, 3) and geometry == Geometry((2, 2), geometry.pads, (1, 1), (1, 1))
    large = min(image_shape[-1], channels) >= _MIN_CHANNELS and n * height * width >= min_pixels
    return here and large and height % 2 == 0 and width % 2 == 0 and dtype == jnp.float32


def conv(x, kernel, pads, output_size: tuple[int, int]):
    """Convolution with the padding ((top, bottom), (left, right)): [N, H, W, C], [3, 3, C, O] -> [N, h, w, O]."""
    n, (height, width) = x.shape[0], output_size
    tiles = (n, height // 2, width // 2, kernel.shape[3])
    kernels = [_kernel_terms(*(row[j] for j in range(3))) for row in _kernel_terms(*kernel)]
    products = [
        [(a @ b).reshape(tiles) for a, b in zip(*row, strict=True)]
        for row in zip(_image_terms(x, pads, output_size), kernels, strict=True)
    ]
    columns = [_outputs(*column) for column in zip(*products, strict=True)]
    rows = [jnp.stack(_outputs(*(column[a] for column in columns)), 3) for a in (0, 1)]
    return jnp.stack(rows, 2).reshape(n, height, width, -1)


def kernel_gradient(x, g, pads, contract):
    """Gradient [3, 3, C, O] for x [N, H, W, C] and g [N, h, w, O]; `contract(a, b)` is a^T b, summed over rows."""
    products = [
        [contract(a, b) for a, b in zip(*row, strict=True)]
        for row in zip(_image_terms(x, pads, g.shape[1:3]), _output_terms(g), strict=True)
    ]
    columns = [_taps(*column) for column in zip(*products, strict=True)]
    return jnp.stack([jnp.stack(_taps(*(column[i] for column in columns))) for i in range(3)])


def _image_terms(x, pads, output_size):
    """5x5 matrices [tiles, C]: along each axis e0 - e1, e1, e2 - e1, o0, o1 of a tile, which overlap by one pixel."""
    # What lies beyond the last output's last tap is left out.
    edges = [
        (low, 2 * size + 1 - length - low, 0)
        for (low, _), size, length in zip(pads, output_size, x.shape[1:3], strict=True)
    ]
    padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
    height, width = output_size
    rows = _terms(*(padded[:, i : i + 2 * height - 3 : 4] for i in range(5)))
    terms = [_terms(*(row[:, :, j : j + 2 * width - 3 : 4] for j in range(5))) for row in rows]
    return [[term.reshape(-1, x.shape[-1]) for term in row] for row in terms]


def _terms(e0, o0, e1, o1, e2):
    return e0 - e1, e1, e2 - e1, o0, o1


def _kernel_terms(w0, w1, w2):
    return w0, w0 + w2, w2, w1, w1


def _outputs(m0, m1, m2, n0, n1):
    return m0 + m1 + n0, m1 + m2 + n1


def _output_terms(g):
    """5x5 matrices [tiles, O]: the transpose of how products become outputs."""
    rows = _transposed_outputs(g[:, ::2], g[:, 1::2])
    terms = [_transposed_outputs(row[:, :, ::2], row[:, :, 1::2]) for row in rows]
    return [[term.reshape(-1, g.shape[-1]) for term in row] for row in terms]


def _transposed_outputs(g0, g1):
    return g0, g0 + g1, g1, g0, g1


def _taps(u0, u1, u2, v0, v1):
    """The transpose of `_kernel_terms`."""
    return u0 + u1, v0 + v1, u1 + u2
