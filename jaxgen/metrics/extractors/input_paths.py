"""Converts images of any size to network inputs. Each resize is two small matrix products, one per axis.

Published numbers use one of three input paths. The paths are not interchangeable: between `tf1` and `pytorch` a pixel
of a CIFAR-10 image differs by up to 91 of 255.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class InputPath(NamedTuple):
    """A way to resize and scale.

    resize, scale: descriptions for the record.
    matrix: (pixels in, pixels out) -> float64 [out, in], the resize along one axis.
    clip: whether to clip to [0, 255] after resizing, if the kernel overshoots.
    offset, divisor: the network's input is (x - offset) / divisor.
    """

    resize: str
    scale: str
    matrix: Callable[[int, int], np.ndarray]
    clip: bool
    offset: float
    divisor: float


def _bilinear(source: np.ndarray, size: int) -> np.ndarray:
    """Rows that interpolate linearly between the two pixels around each source coordinate (float32)."""
    low = np.floor(source).astype(int)
    share = (source - low).astype(np.float64)
    rows = np.arange(len(source))
    matrix = np.zeros((len(source), size))
    np.add.at(matrix, (rows, np.minimum(low, size - 1)), 1 - share)
    np.add.at(matrix, (rows, np.minimum(low + 1, size - 1)), share)
    return matrix


def tf1_bilinear(size: int, out: int) -> np.ndarray:
    """TensorFlow 1's bilinear resize: source i * in / out in float32, no half pixel, no antialiasing."""
    scale = np.float32(size) / np.float32(out)
    return _bilinear(np.arange(out, dtype=np.float32) * scale, size)


def half_pixel_bilinear(size: int, out: int) -> np.ndarray:
    """PyTorch's bilinear `interpolate`: source (i + 1/2) * in / out - 1/2, no antialiasing.

    PyTorch has in / out in float32 and multiplies and subtracts with one rounding to float32.
    """
    scale = np.float32(size) / np.float32(out)
    source = (np.arange(out) + 0.5) * float(scale) - 0.5
    return _bilinear(np.maximum(source, 0).astype(np.float32), size)


def pil_bicubic(size: int, out: int) -> np.ndarray:
    """Pillow's BICUBIC: Keys' kernel with a = -1/2, widened by the scale when shrinking, rows normalised."""
    scale = size / out
    width = max(scale, 1.0)
    matrix = np.zeros((out, size))
    for i in range(out):
        centre = (i + 0.5) * scale
        first = max(int(centre - 2 * width + 0.5), 0)
        last = min(int(centre + 2 * width + 0.5), size)
        weights = _keys((np.arange(first, last) + 0.5 - centre) / width)
        matrix[i, first:last] = weights / weights.sum()
    return matrix


def _keys(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


PATHS = {
    "tf1": InputPath("bilinear as in TensorFlow 1", "(x - 128) / 128", tf1_bilinear, False, 128, 128),
    "pytorch": InputPath("bilinear, half-pixel", "2 x / 255 - 1", half_pixel_bilinear, False, 127.5, 127.5),
    "clean": InputPath("PIL bicubic, antialiased, in float, clipped", "(x - 128) / 128", pil_bicubic, True, 128, 128),
}


@functools.partial(jax.jit, static_argnames=("path", "side"))
def network_input(images: jax.Array, path: InputPath, side: int) -> jax.Array:
    """Images [B, H, W, C], C 1 or 3, in [0, 255] -> the network's float32 input [B, side, side, 3]."""
    b, height, width, c = images.shape
    rows, columns = (path.matrix(n, side).astype(np.float32) for n in (height, width))
    x = images.astype(jnp.float32).transpose(0, 1, 3, 2)  # the long axes last: thin products are slow on CPU
    if width != side:
        x = jnp.dot(x, columns.T, precision="highest")
    if height != side:
        x = jnp.einsum("oh,bhx->box", rows, x.reshape(b, height, c * side), precision="highest")
    x = x.reshape(b, side, c, side).transpose(0, 1, 3, 2)
    if path.clip:
        x = jnp.clip(x, 0, 255)
    return jnp.broadcast_to((x - path.offset) / path.divisor, (b, side, side, 3))
