"""What Winograd's forms of 3x3 convolutions share: terms along both axes, products, and what becomes of these.

Along one axis a form is four functions: of an image's pixels in a tile, of a kernel's three taps, of a tile's two
outputs (the transpose of how products become outputs), and of the products. Lavin & Gray, 2016, section 4.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Terms = list[list[jax.Array]]


def image_terms(terms: Callable, padded, pixels: int, step: int, size: tuple[int, int]) -> Terms:
    """Matrices [tiles, C] of tiles of `pixels` pixels a side, `step` apart, which two outputs a side of `size` need."""
    spans = [step * (side // 2 - 1) + 1 for side in size]
    rows = terms(*(padded[:, i : i + spans[0] : step] for i in range(pixels)))
    tiles = [terms(*(row[:, :, j : j + spans[1] : step] for j in range(pixels))) for row in rows]
    return [[term.reshape(-1, padded.shape[-1]) for term in row] for row in tiles]


def kernel_terms(terms: Callable, kernel) -> Terms:
    """Matrices [C, O] of a kernel [3, 3, C, O]."""
    return [terms(*(row[j] for j in range(3))) for row in terms(*kernel)]


def output_terms(terms: Callable, g) -> Terms:
    """Matrices [tiles, O] of g [N, h, w, O]."""
    rows = terms(g[:, ::2], g[:, 1::2])
    tiles = [terms(row[:, :, ::2], row[:, :, 1::2]) for row in rows]
    return [[term.reshape(-1, g.shape[-1]) for term in row] for row in tiles]


def multiply(product: Callable, left: Terms, right: Terms) -> Terms:
    """`product` of each pair of terms."""
    return [[product(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(left, right, strict=True)]


def conv(outputs: Callable, of_image: Terms, of_kernel: Terms, shape: tuple[int, ...]):
    """The convolution's result, of `shape` [N, h, w, O]; outputs: `(products) -> the two outputs of a tile`."""
    n, height, width, channels = shape
    tiles = (n, height // 2, width // 2, channels)
    products = multiply(lambda a, b: (a @ b).reshape(tiles), of_image, of_kernel)
    columns = [outputs(*column) for column in zip(*products, strict=True)]
    rows = [jnp.stack(outputs(*(column[a] for column in columns)), 3) for a in (0, 1)]
    return jnp.stack(rows, 2).reshape(shape)


def kernel_gradient(taps: Callable, contract: Callable, of_image: Terms, of_outputs: Terms):
    """The gradient [3, 3, C, O]; taps: the transpose of the kernel's terms; `contract(a, b)`: a^T b over rows."""
    columns = [taps(*column) for column in zip(*multiply(contract, of_image, of_outputs), strict=True)]
    return jnp.stack([jnp.stack(taps(*(column[i] for column in columns))) for i in range(3)])
