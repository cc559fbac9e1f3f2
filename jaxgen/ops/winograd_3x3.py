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

from jaxgen.ops import winograd
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
    here = tuple(kernel_size[:2]) == (3, 3) and geometry == Geometry((1, 1), ((1, 1), (1, 1)), (1, 1))
    large = min(c, channels) >= _MIN_CHANNELS and n * height * width >= _MIN_PIXELS
    return here and large and height % 2 == 0 and width % 2 == 0 and dtype == jnp.float32


def conv(x, kernel):
    """Convolution with padding 1: [N, H, W, C], [3, 3, C, O] -> [N, H, W, O]; H and W even."""
    n, height, width, c = x.shape
    kernels = winograd.kernel_terms(_kernel, kernel)
    piece = max(1, min(n, PIECE_BYTES // (16 * height * width * c)))
    while n % piece:
        piece -= 1

    def of_piece(x):
        return winograd.conv(_outputs, _image_terms(x), kernels, (*x.shape[:3], kernel.shape[3]))

    if piece == n:
        return of_piece(x)
    return lax.map(of_piece, x.reshape(-1, piece, height, width, c)).reshape(n, height, width, -1)


def kernel_gradient(x, g, contract):
    """Gradient [3, 3, C, O] for x [N, H, W, C] and g [N, H, W, O]; `contract(a, b)` is a^T b, summed over rows."""
    return winograd.kernel_gradient(_taps, contract, _image_terms(x), winograd.output_terms(_transposed_outputs, g))


def _image_terms(x):
    """4x4 terms of tiles of 4x4 pixels, which overlap by two."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return winograd.image_terms(_image, padded, 4, 2, x.shape[1:3])


def _image(d0, d1, d2, d3):
    return d0 - d2, d1 + d2, d2 - d1, d1 - d3


def _kernel(w0, w1, w2):
    outer, inner = 0.5 * (w0 + w2), 0.5 * w1
    return w0, outer + inner, outer - inner, w2


def _outputs(m0, m1, m2, m3):
    return m0 + m1 + m2, m1 - m2 - m3


def _transposed_outputs(g0, g1):
    return g0, g0 + g1, g0 - g1, -g1


def _taps(u0, u1, u2, u3):
    """The transpose of `_kernel`."""
    outer = 0.5 * (u1 + u2)
    return u0 + outer, 0.5 * (u1 - u2), outer + u3
