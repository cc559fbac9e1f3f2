"""The Inception network behind FID, Inception Score and related metrics (2015-12-05), with three input paths.

Only the known weights with the original input path, `tf1`, give numbers with a metric's plain name. `pytorch` is the
input path of pytorch-fid. `clean` is the input path of clean-fid (Parmar et al. 2022).

The network differs from the usual Inception v3 (Szegedy et al. 2016) in its pooling branches and 1008 outputs. Its 3x3
averages do not count the padding. Mixed_7c has a maximum. Batch normalisation is folded into the convolutions.
Convolutions of size 1 that share their input form one product. An average without padding is linear and keeps
constants. The branch that averages before it mixes channels is therefore computed in the reverse order, on fewer
channels. All products are float32 at `precision="highest"`, since accelerators would round their inputs otherwise.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import inception_params, winograd
from jaxgen.metrics.extractors.base import Extractor, convolved, in_chunks, unfolded_convolved
from jaxgen.metrics.extractors.inception_params import expected_shapes, load_params
from jaxgen.metrics.extractors.inception_weights import WEIGHTS
from jaxgen.metrics.extractors.input_paths import PATHS, InputPath, network_input
from jaxgen.metrics.extractors.weights import load as load_weights
from jaxgen.ops.backend import traced_for_cpu
from jaxgen.settings import lookup

SIDE = 299
EXITS = (64, 192, 768, 2048)
# Measured on 2 cores: the stem ran fastest on one image, whose largest maps just fit the caches, the rest on 4. A
# program that needs more than 32 MB besides is given new memory by the system in every call, which costs as much
# again.
_CPU_CHUNK = 4
_ACCELERATOR_CHUNK = 128


def _conv(params, name, x, padding="SAME"):
    layer, step = params[name], inception_params.stride(name)
    padding = "VALID" if step == 2 else padding
    if "terms" in layer:
        return winograd.conv(x, layer["terms"], inception_params.CONVOLUTIONS[name][2:], step, padding) + layer["bias"]
    kernel = layer["kernel"]
    if kernel.shape[:2] == (1, 1):
        return jnp.dot(x, kernel[0, 0], precision="highest") + layer["bias"]
    if traced_for_cpu():
        return unfolded_convolved(x, kernel, step) + layer["bias"]
    return convolved(x, kernel, step, padding) + layer["bias"]


def _max_pool(x, step):
    """Maximum over 3x3, without padding at stride 2."""
    if step == 1:
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-jnp.inf)
        x = jax.lax.optimization_barrier(x)
    for axis in (1, 2):
        count = (x.shape[axis] - 3) // step + 1
        slices = [jax.lax.slice_in_dim(x, i, i + (count - 1) * step + 1, step, axis) for i in range(3)]
        x = jnp.maximum(jnp.maximum(*slices[:2]), slices[2])
    return x


def _average_pool(x):
    """Mean over the pixels of the 3x3 neighbourhood that lie in the image."""
    height, width = x.shape[1:3]
    counts = [np.minimum(np.minimum(np.arange(n), n - 1 - np.arange(n)), 1) + 2 for n in (height, width)]
    share = (1 / np.outer(*counts)).astype(np.float32)[:, :, None]
    x = jax.lax.optimization_barrier(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
    x = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
    return (x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]) * share


def _shared(params, block, x) -> list[jax.Array]:
    sizes = [inception_params.BLOCKS[block][name][1] for name in inception_params.shared(block)]
    return jnp.split(_conv(params, f"{block}.shared", x), np.cumsum(sizes)[:-1].tolist(), -1)


def _chain(params, block, names, x):
    for name in names:
        x = jax.nn.relu(_conv(params, f"{block}.{name}", x))
    return x


def _apply_mixed_35(params, block, x):
    unit, five, double, pool = _shared(params, block, x)
    five = _chain(params, block, ("branch5x5_2",), jax.nn.relu(five))
    double = _chain(params, block, ("branch3x3dbl_2", "branch3x3dbl_3"), jax.nn.relu(double))
    return jnp.concatenate([jax.nn.relu(unit), five, double, jax.nn.relu(_average_pool(pool))], -1)


def _apply_mixed_6a(params, block, x):
    (double,) = _shared(params, block, x)
    double = _chain(params, block, ("branch3x3dbl_2", "branch3x3dbl_3"), jax.nn.relu(double))
    return jnp.concatenate([_chain(params, block, ("branch3x3",), x), double, _max_pool(x, 2)], -1)


def _apply_mixed_17(params, block, x):
    unit, single, double, pool = _shared(params, block, x)
    single = _chain(params, block, ("branch7x7_2", "branch7x7_3"), jax.nn.relu(single))
    double = _chain(params, block, [f"branch7x7dbl_{i}" for i in (2, 3, 4, 5)], jax.nn.relu(double))
    return jnp.concatenate([jax.nn.relu(unit), single, double, jax.nn.relu(_average_pool(pool))], -1)


def _apply_mixed_7a(params, block, x):
    single, seven = map(jax.nn.relu, _shared(params, block, x))
    single = _chain(params, block, ("branch3x3_2",), single)
    seven = _chain(params, block, [f"branch7x7x3_{i}" for i in (2, 3, 4)], seven)
    return jnp.concatenate([single, seven, _max_pool(x, 2)], -1)


def _apply_mixed_8(params, block, x):
    unit, single, double, *pool = _shared(params, block, x)
    pool = _average_pool(pool[0]) if pool else _conv(params, f"{block}.branch_pool", _max_pool(x, 1))
    single = jax.nn.relu(single)
    double = _chain(params, block, ("branch3x3dbl_2",), jax.nn.relu(double))
    ends = [_conv(params, f"{block}.branch3x3_2{i}", single) for i in "ab"]
    ends += [_conv(params, f"{block}.branch3x3dbl_3{i}", double) for i in "ab"]
    return jax.nn.relu(jnp.concatenate([unit, *ends, pool], -1))


def stem(params: dict, x: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
    """Images float32 [B, 299, 299, 3], scaled -> maps [B, 35, 35, 192] and the means of the first two exits."""
    for name, padding in (("1a_3x3", "VALID"), ("2a_3x3", "VALID"), ("2b_3x3", "SAME")):
        x = jax.nn.relu(_conv(params, f"Conv2d_{name}", x, padding))
    first = x = _max_pool(x, 2)
    for name in ("3b_1x1", "4a_3x3"):
        x = jax.nn.relu(_conv(params, f"Conv2d_{name}", x, "VALID"))
    x = _max_pool(x, 2)
    return x, [first.mean((1, 2)), x.mean((1, 2))]


def trunk(params: dict, x: jax.Array) -> tuple[list[jax.Array], jax.Array]:
    """Maps [B, 35, 35, 192] -> the means of the last two exits and the logits [B, 1008] without bias.

    Weights without the classifier give logits [B, 0].
    """
    for block in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = _apply_mixed_35(params, block, x)
    x = _apply_mixed_6a(params, "Mixed_6a", x)
    for block in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        x = _apply_mixed_17(params, block, x)
    third, x = x.mean((1, 2)), _apply_mixed_7a(params, "Mixed_7a", x)
    for block in ("Mixed_7b", "Mixed_7c"):
        x = _apply_mixed_8(params, block, x)
    features = x.mean((1, 2))
    if "fc" not in params:
        return [third, features], jnp.zeros((len(features), 0), features.dtype)
    return [third, features], jnp.dot(features, params["fc"], precision="highest")


_jitted_stem = jax.jit(stem)


@jax.jit
def _trunk(params, maps):
    return trunk(params, jnp.concatenate(maps))


@functools.partial(jax.jit, static_argnames="path")
def _whole(params, images, path):
    maps, early = stem(params, network_input(images, path, SIDE))
    late, logits = trunk(params, maps)
    return *early, *late, logits


def _one_by_one(params, images, path):
    inputs = [network_input(images[i : i + 1], path, SIDE) for i in range(len(images))]
    maps, early = zip(*(_jitted_stem(params, x) for x in inputs), strict=True)
    late, logits = _trunk(params, maps)
    return *map(np.concatenate, zip(*early, strict=True)), *late, logits


def outputs(params: dict, images: jax.Array, path: InputPath) -> tuple[jax.Array, ...]:
    """The features at every exit, and the logits without bias for the Inception Score.

    Args:
      params: parameters of `load_params`.
      images: uint8 [B, H, W, C], C 1 or 3 (or float32 in [0, 255]).

    Returns:
      The means over each map, float32 [B, n] for each n in EXITS, and then the logits [B, 1008].
    """
    one_by_one = traced_for_cpu()

    def apply(piece):
        if one_by_one and isinstance(piece, np.ndarray):
            return _one_by_one(params, piece, path)
        return _whole(params, piece, path)

    return in_chunks(apply, images, _CPU_CHUNK, _ACCELERATOR_CHUNK)


def load(
    resize: str = "", weights: str | Path = "", allow_other_weights: bool = False, feature_size: int = 2048
) -> Extractor:
    """The extractor, loaded once for each set of arguments.

    Args:
      resize: "tf1" (or ""), "pytorch" or "clean".
      weights: a torch file in place of the cached or fetched file.
      allow_other_weights: accept unknown weights. The label then contains their hash.
      feature_size: the exit that gives the features: 64, 192, 768 or 2048.

    Raises:
      UserError: an unknown choice, or missing or unknown weights.
    """
    path = Path(weights).expanduser().resolve() if str(weights) else None
    return _load(resize or "tf1", path, bool(allow_other_weights), int(feature_size))


@functools.cache
def _params(path: Path | None, allow_other: bool) -> tuple[dict, str, str]:
    loaded = load_weights(WEIGHTS, expected_shapes(), path, allow_other)
    return jax.tree.map(jnp.asarray, load_params(loaded.tensors)), loaded.sha256, loaded.origin


@functools.cache
def _load(resize: str, path: Path | None, allow_other: bool, feature_size: int) -> Extractor:
    if resize not in PATHS:
        raise UserError(lookup.unknown("resize", resize, list(PATHS)))
    if feature_size not in EXITS:
        raise UserError(f"feature_size={feature_size}: the network has exits at {', '.join(map(str, EXITS))}")
    params, digest, origin = _params(path, allow_other)
    way, known, index = PATHS[resize], digest == WEIGHTS.sha256, EXITS.index(feature_size)

    def apply(images):
        *features, logits = outputs(params, images, way)
        return features[index], logits

    label = ["inception", resize, str(feature_size), digest[:8]]
    usual = [False, resize == "tf1", feature_size == EXITS[-1], known]
    return Extractor(
        name="inception",
        weights_sha256=digest,
        side=SIDE,
        resize=f"{way.resize}, to {SIDE}x{SIDE}",
        scale=way.scale,
        feature_size=feature_size,
        apply=apply,
        label="_".join(part for part, skip in zip(label, usual, strict=True) if not skip),
        canonical=all(usual[1:]),
        classes=inception_params.CLASSES if "fc" in params else 0,
        weights_from=origin,
    )
