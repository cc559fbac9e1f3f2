"""LPIPS v0.1 on VGG16 (Zhang et al. 2018), the perceptual distance of two images. It reads torch files without torch.

It is no feature network for other metrics but has its own function, `distance`. No dependency contains its two files.
`python -m jaxgen.metrics.extractors.lpips_vgg` fetches them once, 553 MB.
"""

import functools
import hashlib
import importlib.util
import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.files.fetch import fetch
from jaxgen.metrics.extractors.base import convolved, unfolded_convolved
from jaxgen.metrics.extractors.torch_file import read_torch_file
from jaxgen.metrics.extractors.weights_file import Published, weights_folder

NETWORK = "LPIPS v0.1, VGG16"
TRUNK = Published(
    NETWORK,
    "vgg16-397923af.pth",
    "https://download.pytorch.org/models/vgg16-397923af.pth",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
)
LINEAR = Published(
    NETWORK,
    "lpips_v0.1_vgg.pth",
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/vgg.pth",
    "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
)
# Numbers of torchvision's convolutions in each block; a 2x2 maximum lies between blocks.
_BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
# The ImageNet mean and deviation for images in [-1, 1], rounded as LPIPS has them.
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
MIN_SIDE = 16  # four halvings
_CHUNK_PIXELS = 2**17


def _find(file: Published) -> Path | None:
    """The file in this project's cache, or where torch or the package `lpips` would have put it; None if in neither."""
    places = [weights_folder() / file.name]
    if file is TRUNK:
        torch_home = Path(os.environ.get("TORCH_HOME") or "~/.cache/torch").expanduser()
        places.append(torch_home / "hub" / "checkpoints" / file.name)
    elif (spec := importlib.util.find_spec("lpips")) and spec.submodule_search_locations:
        places.append(Path(next(iter(spec.submodule_search_locations)), "weights", "v0.1", "vgg.pth"))
    return next((path for path in places if path.is_file()), None)


def missing() -> str | None:
    """The missing weights and how to get them, or None."""
    wanted = [file for file in (TRUNK, LINEAR) if _find(file) is None]
    if not wanted:
        return None
    by_hand = " and ".join(f"{file.url} as {weights_folder() / file.name}" for file in wanted)
    return f"needs the weights of {NETWORK}: python -m {__name__} fetches them, or put {by_hand}"


def fetch_missing() -> None:
    """Downloads missing files into `$JAXGEN_CACHE/weights` and checks them by SHA-256.

    Raises:
      UserError: a download failed.
    """
    for file in (TRUNK, LINEAR):
        if _find(file) is None:
            fetch(file.url, weights_folder() / file.name, file.sha256, what="lpips")


def params_from(trunk: dict[str, np.ndarray], linear: dict[str, np.ndarray]) -> dict:
    """The network's weights as float32 arrays from the tensors of both files.

    Args:
      trunk: torchvision's VGG16 state dict: `features.<n>.weight` [C_out, C_in, 3, 3] and `.bias`.
      linear: LPIPS's weights `lin<i>.model.1.weight` [1, C, 1, 1], not negative.
    """

    def convolution(number):
        kernel = np.asarray(trunk[f"features.{number}.weight"], np.float32).transpose(2, 3, 1, 0)
        return {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(trunk[f"features.{number}.bias"], jnp.float32)}

    return {
        "blocks": [[convolution(number) for number in block] for block in _BLOCKS],
        "linear": [jnp.asarray(linear[f"lin{i}.model.1.weight"], jnp.float32).ravel() for i in range(len(_BLOCKS))],
    }


@functools.cache
def load() -> dict:
    """The weights of `distance`.

    Raises:
      UserError: a file is missing or unknown.
    """
    if reason := missing():
        raise UserError(f"lpips: {reason}")
    tensors = []
    for file in (TRUNK, LINEAR):
        path = _find(file)
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest != file.sha256:
            raise UserError(
                f"{path}: not the weights of {NETWORK} (SHA-256 {file.sha256[:16]}...). Delete it and get {file.url}"
            )
        tensors.append(read_torch_file(path))
    return params_from(*tensors)


def _convolution(x, kernel):
    """3x3, padded to the same size."""
    if jax.default_backend() == "cpu" and min(x.shape[1:3]) < 3:
        return unfolded_convolved(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), kernel)
    return convolved(x, kernel, 1, "SAME")


def _activations(blocks, x):
    """Activations after each block, of images [B, H, W, 1 or 3] in [-1, 1]."""
    x = (x - jnp.asarray(_SHIFT)) / jnp.asarray(_SCALE)
    for number, block in enumerate(blocks):
        if number:
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        for layer in block:
            x = jax.nn.relu(_convolution(x, layer["kernel"]) + layer["bias"])
        yield x


def _features(blocks, x):
    """Activations with each position's channels scaled to unit length."""
    for y in _activations(blocks, x):
        yield y / (jnp.linalg.norm(y, axis=-1, keepdims=True) + 1e-10)


def embedding(params: dict, images: jax.Array) -> list[jax.Array]:
    """Arrays [B, h, w, C] of images. The summed squared differences of two images' arrays are their `distance`.

    Unlike the gradient of a norm, its gradient is defined at zero channels.
    """
    arrays = []
    for y, weight in zip(_activations(params["blocks"], images), params["linear"], strict=True):
        unit = y * jax.lax.rsqrt(jnp.sum(y**2, axis=-1, keepdims=True) + 1e-20)
        arrays.append(unit * jnp.sqrt(weight / (y.shape[1] * y.shape[2])))
    return arrays


@jax.jit
def _distance(params, a, b):
    a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    pairs = zip(_features(params["blocks"], a), _features(params["blocks"], b), params["linear"], strict=True)
    return sum(jnp.einsum("bhwc,c->bhw", (x - y) ** 2, w, precision="highest").mean((1, 2)) for x, y, w in pairs)


def distance(params: dict, a: jax.Array, b: jax.Array) -> jax.Array:
    """LPIPS of each pair, float32 [B]: Zhang et al. 2018, eq. 1.

    sum_l mean_hw sum_c w_lc (x_lhwc - y_lhwc)^2, over the activations relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3,
    with the channels of each position scaled to unit length. For float32 images that differ by 1e-4, the distance is
    correct to a thousandth.

    Args:
      params: parameters of `load`.
      a, b: float images [B, H, W, C] in [-1, 1], of 16 pixels or more. One channel counts as three equal channels.
    """
    spread = isinstance(a, jax.Array) and len(a.devices()) > 1
    if jax.default_backend() != "cpu" or spread:
        return _distance(params, a, b)
    # Few images at a time stay in the processor's caches, and all chunks of one size give equal numbers in any batch.
    size = max(_CHUNK_PIXELS // (a.shape[1] * a.shape[2]), 1)
    parts = []
    for first in range(0, len(a), size):
        ids = np.minimum(np.arange(first, first + size), len(a) - 1)
        parts.append(_distance(params, a[ids], b[ids]))
    return jnp.concatenate(parts)[: len(a)]


if __name__ == "__main__":
    try:
        fetch_missing()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
