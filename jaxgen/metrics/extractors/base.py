"""The interface of feature networks, and their application to any number of images.

An extractor `name` is a module `jaxgen.metrics.extractors.<name>` with `load(resize="", weights="") -> Extractor`. The
result is cached. `resize` names one of the network's input paths, or "" for the usual path. `weights` is a file in
place of the network's own weights. Impossible choices raise a UserError.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.files.provenance import cores

Outputs = tuple[jax.Array, ...]


class Extractor(NamedTuple):
    """A fixed image network with its whole input path, so that a number's name covers all its conditions.

    weights_sha256: hash of the weights file. resize, scale: the input path, in words. side: pixels of the input.
    apply: images [B, H, W, C], C 1 or 3, uint8 or float32 in [0, 255] -> (features [B, feature_size], logits
      [B, classes]), float32. The result does not depend on B or the number of devices.
    label: what its numbers are named for: "inception", "inception_clean", "efficientnet_lite0".
    canonical: whether numbers from it may carry a metric's plain name (`fid`).
    classes: number of logits, 0 if the weights have no classifier.
    weights_from: the publisher's address, or the package that the weights came in.
    """

    name: str
    weights_sha256: str
    side: int
    resize: str
    scale: str
    feature_size: int
    apply: Callable[[jax.Array], tuple[jax.Array, jax.Array]]
    label: str = ""
    canonical: bool = False
    classes: int = 1000
    weights_from: str = ""

    def metadata(self) -> dict:
        """The properties that comparable statistics must share."""
        keys = ("weights_sha256", "side", "resize", "scale", "feature_size")
        return {"extractor": self.name, **{key: getattr(self, key) for key in keys}}


def convolved(x: jax.Array, kernel: jax.Array, stride: int, padding: str, groups: int = 1) -> jax.Array:
    """Convolution of x [N, H, W, C] with an HWIO kernel, in float32 on every backend."""
    layout = ("NHWC", "HWIO", "NHWC")
    options = {"dimension_numbers": layout, "feature_group_count": groups, "precision": "highest"}
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, **options)


def unfolded_convolved(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """Convolution without padding, as one product. On CPU: 2 times as fast for RGB, 100 times for tiny images."""
    height, width, inputs, outputs = kernel.shape
    ends = [(n - size) // stride * stride + 1 for n, size in zip(x.shape[1:3], (height, width), strict=True)]
    pixels = [x[:, i : i + ends[0] : stride, j : j + ends[1] : stride] for i in range(height) for j in range(width)]
    columns = jax.lax.optimization_barrier(jnp.concatenate(pixels, -1))
    return jnp.dot(columns, kernel.reshape(height * width * inputs, outputs), precision="highest")


def in_chunks(apply: Callable[[jax.Array], Outputs], images: jax.Array, cpu: int, accelerator: int) -> Outputs:
    """`apply` to images [B, H, W, C], C 1 or 3, in pieces of one size. One compiled program serves any B.

    On CPU, few images at a time stay in the caches, and several pieces at once keep all cores busy. On an accelerator,
    the size bounds memory. Images spread over several devices are not cut. Each device takes its own images.

    Args:
      images: uint8, or float32 in [0, 255] for differences smaller than a gray level.
      apply: images of a piece -> arrays with one row per image.
      cpu, accelerator: images per piece on each kind of device.

    Raises:
      UserError: other images.
    """
    shape = np.shape(images)
    if len(shape) != 4 or shape[3] not in (1, 3) or images.dtype not in (np.uint8, np.float32):
        raise UserError(
            f"images: {images.dtype} of shape {shape}. A feature network takes uint8 (or float32 in [0, 255]) "
            "[B, H, W, C] with 1 or 3 channels"
        )
    if isinstance(images, jax.Array) and len(images.devices()) > 1:
        return apply(images)
    if jax.default_backend() == "cpu":
        module, parts = np, _side_by_side(apply, list(_pieces(np, np.asarray(images), cpu)))
    else:
        module, parts = jnp, [apply(piece) for piece in _pieces(jnp, jnp.asarray(images), accelerator)]
    return tuple(module.concatenate(outputs)[: shape[0]] for outputs in zip(*parts, strict=True))


def _pieces(module, images, size: int) -> Iterator[jax.Array]:
    """At least one piece, the last one filled up with black images."""
    whole = len(images) // size * size
    for first in range(0, whole, size):
        # On an accelerator a slice at a traced place: one small program for all of them.
        yield images[first : first + size] if module is np else jax.lax.dynamic_slice_in_dim(images, first, size)
    if whole < len(images) or not whole:
        missing = size - (len(images) - whole)
        yield module.concatenate([images[whole:], module.zeros((missing, *images.shape[1:]), images.dtype)])


def _side_by_side(apply, pieces: list[np.ndarray]) -> list[Outputs]:
    # XLA runs what one thread asks for one after the other, and a piece is too small to fill many cores. The first
    # piece goes alone: threads that meet a new shape together would each compile it.
    first = jax.block_until_ready(apply(pieces[0]))
    if len(pieces) == 1:
        return [first]
    pool = ThreadPoolExecutor(min(cores(), len(pieces) - 1))
    try:
        return [first, *pool.map(lambda piece: jax.block_until_ready(apply(piece)), pieces[1:])]
    finally:
        pool.shutdown(cancel_futures=True)  # so that an interruption waits for the pieces under way only
