"""3x3 stride-2 convolutions and their kernel gradients with 25/36 of the multiplications.

Along one axis an output meets two even pixels and an odd one, y0 = e0 w0 + o0 w1 + e1 w2, and so does its neighbour,
y1 = e1 w0 + o1 w1 + e2 w2. The even ones are a two-tap convolution, which needs three products instead of four
(Winograd's F(2, 2); Lavin & Gray, 2016): m0 = (e0 - e1) w0, m1 = e1 (w0 + w2), m2 = (e2 - e1) w2; y0 = m0 + m1 + o0 w1,
y1 = m1 + m2 + o1 w1. Along both axes that is 25 matrix products for 36. The coefficients are 0 and +-1, so in float32
it is as accurate as the plain sum, which XLA's CPU backend also computes three times slower than matrix products.
"""

import jax.numpy as jnp
from jax import lax

from jaxgen.ops import winograd
from jaxgen.ops.conv_geometry import Geometry

# With fewer channels on either side, the additions cost more than the products saved.
_MIN_CHANNELS = 32
# With fewer output pixels in the batch, to transform the kernel, or its gradient, costs more than it saves.
MIN_PIXELS, MIN_PIXELS_OF_GRADIENT = 64, 1024


def pays(kernel_size: tuple[int, ...], geometry: Geometry, image_shape, output_shape, dtype, min_pixels: int) -> bool:
    """Whether to use it for images [N, H, W, C] and outputs [N, h, w, O]; bfloat16 would round the sums."""
    n, height, width, channels = output_shape
    here = tuple(kernel_size[:2]) == (3, 3) and geometry == Geometry((2, 2), geometry.pads, (1, 1))
    large = min(image_shape[-1], channels) >= _MIN_CHANNELS and n * height * width >= min_pixels
    return here and large and height % 2 == 0 and width % 2 == 0 and dtype == jnp.float32


def conv(x, kernel, pads, output_size: tuple[int, int]):
    """Convolution with the padding ((top, bottom), (left, right)): [N, H, W, C], [3, 3, C, O] -> [N, h, w, O]."""
    kernels, shape = winograd.kernel_terms(_kernel, kernel), (x.shape[0], *output_size, kernel.shape[3])
    return winograd.conv(_outputs, _image_terms(x, pads, output_size), kernels, shape)


def kernel_gradient(x, g, pads, contract):
    """Gradient [3, 3, C, O] for x [N, H, W, C] and g [N, h, w, O]; `contract(a, b)` is a^T b, summed over rows."""
    of_outputs = winograd.output_terms(_transposed_outputs, g)
    return winograd.kernel_gradient(_taps, contract, _image_terms(x, pads, g.shape[1:3]), of_outputs)


def _image_terms(x, pads, output_size):
    """5x5 terms of tiles of 5x5 pixels, which overlap by one."""
    # What lies beyond the last output's last tap is left out.
    edges = [
        (low, 2 * size + 1 - length - low, 0)
        for (low, _), size, length in zip(pads, output_size, x.shape[1:3], strict=True)
    ]
    padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
    return winograd.image_terms(_image, padded, 5, 4, output_size)


def _image(e0, o0, e1, o1, e2):
    return e0 - e1, e1, e2 - e1, o0, o1


def _kernel(w0, w1, w2):
    return w0, w0 + w2, w2, w1, w1


def _outputs(m0, m1, m2, n0, n1):
    return m0 + m1 + n0, m1 + m2 + n1


def _transposed_outputs(g0, g1):
    return g0, g0 + g1, g1, g0, g1


def _taps(u0, u1, u2, v0, v1):
    """The transpose of `_kernel`."""
    return u0 + u1, v0 + v1, u1 + u2
