"""LPIPS v0.1 on VGG16, which StyleGAN's path lengths and StyleGAN2's projector use."""

import functools
import importlib.util
import os
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
from jaxgen.metrics.extractors.torch_file import read_torch_file
from jaxgen.metrics.extractors.weights import Source, Weights, WeightsFile
from jaxgen.metrics.extractors.weights import load as load_weights

NETWORK = "LPIPS v0.1, VGG16"
MIN_SIDE = 16  # Four halvings.
# Channels of the convolutions in each block; a 2x2 maximum lies between blocks.
_BLOCKS = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
_CHANNELS = [channels for block in _BLOCKS for channels in block]
_KERNELS = [(3, 3, inputs, outputs) for inputs, outputs in zip([3, *_CHANNELS], _CHANNELS, strict=False)]
_LAST = tuple(int(n) - 1 for n in np.cumsum([len(block) for block in _BLOCKS]))
# Numbers of torchvision's convolutions.
_TORCH_NUMBERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_SHA256 = "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d"


def _torch_cache() -> list[Path]:
    home = Path(os.environ.get("TORCH_HOME") or Path(os.path.expanduser("~"), ".cache", "torch"))
    return [home / "hub" / "checkpoints" / TRUNK.name]


def _package_lpips() -> list[Path]:
    spec = importlib.util.find_spec("lpips")
    return [Path(folder, "weights", "v0.1", "vgg.pth") for folder in spec.submodule_search_locations] if spec else []


TRUNK = WeightsFile(
    name="vgg16-397923af.pth",
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
    sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    elsewhere=_torch_cache,
)
LINEAR = WeightsFile(
    name="lpips_v0.1_vgg.pth",
    url="https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/vgg.pth",
    sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    elsewhere=_package_lpips,
)


def _read_packaged(path: Path) -> dict[str, np.ndarray]:
    return from_checkpoint(read_numpy_pickle(path), "VGG16_0")


def read_torch(trunk: Path, linear: Path) -> dict[str, np.ndarray]:
    """The tensors from torchvision's VGG16 state dict and LPIPS's file of heads."""
    convolutions, heads, tensors = read_torch_file(trunk), read_torch_file(linear), {}
    for i, number in enumerate(_TORCH_NUMBERS):
        tensors[f"conv{i}.kernel"] = convolutions[f"features.{number}.weight"].transpose(2, 3, 1, 0)
        tensors[f"conv{i}.bias"] = convolutions[f"features.{number}.bias"]
    return tensors | {f"linear{i}": heads[f"lin{i}.model.1.weight"].ravel() for i in range(len(_BLOCKS))}


# The package is a ninth of the publisher's two files, which hold VGG16's classifier, too: it comes first.
SOURCES = Weights(
    NETWORK,
    _SHA256,
    (Source((packaged("vgg16.ckpt", _SHA256),), _read_packaged), Source((TRUNK, LINEAR), read_torch)),
)


def activations(layers: list, x: jax.Array) -> Iterator[jax.Array]:
    """After each block's last ReLU, of images [B, H, W, 3] scaled as LPIPS does."""
    for number, layer in enumerate(layers):
        if number - 1 in _LAST:
            x = max_pool(x, 2)
        x = convolution(x, layer)
        if number in _LAST:
            yield x


@functools.cache
def load() -> Lpips:
    """The distance with its weights, fetched once.

    Raises:
      UserError: the weights cannot be had.
    """
    loaded = load_weights(SOURCES, shapes(_KERNELS, [block[-1] for block in _BLOCKS]))
    return Lpips(NETWORK, params_from(loaded.tensors), activations, MIN_SIDE)
