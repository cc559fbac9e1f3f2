"""LPIPS v0.1 on AlexNet, which Zhang et al. (2018) recommend for judging pairs of images."""

import functools
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from jaxgen.metrics.extractors.lpips import (
    Lpips,
    convolution,
    from_checkpoint,
    max_pool,
    packaged,
    params_from,
    shapes,
)
from jaxgen.metrics.extractors.numpy_pickle import read_numpy_pickle
from jaxgen.metrics.extractors.weights import Source, Weights
from jaxgen.metrics.extractors.weights import load as load_weights

NETWORK = "LPIPS v0.1, AlexNet"
MIN_SIDE = 31  # Three windows of 3x3 lie behind the first convolution's 11x11 with stride 4.
_KERNELS = [(11, 11, 3, 64), (5, 5, 64, 192), (3, 3, 192, 384), (3, 3, 384, 256), (3, 3, 256, 256)]
_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"


def _read(path: Path) -> dict[str, np.ndarray]:
    return from_checkpoint(read_numpy_pickle(path), "AlexNet_0")


SOURCES = Weights(NETWORK, _SHA256, (Source((packaged("alexnet.ckpt", _SHA256),), _read),))


def activations(layers: list, x: jax.Array) -> Iterator[jax.Array]:
    """After each convolution's ReLU, of images [B, H, W, 3] scaled as LPIPS does."""
    for number, layer in enumerate(layers):
        if number in (1, 2):
            x = max_pool(x, 3)
        stride, padding = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))[number]
        x = convolution(x, layer, stride, padding)
        yield x


@functools.cache
def load() -> Lpips:
    """The distance with its weights, fetched once.

    Raises:
      UserError: the weights cannot be had.
    """
    loaded = load_weights(SOURCES, shapes(_KERNELS, [shape[-1] for shape in _KERNELS]))
    return Lpips(NETWORK, params_from(loaded.tensors), activations, MIN_SIDE)
