"""The Inception network that FID, Inception Score and their kin are defined on (2015-12-05), by three input paths.

Only the known weights with the input path of the original computation, `tf1`, give numbers that carry a metric's
plain name. `pytorch` is what pytorch-fid feeds the network, `clean` what clean-fid does (Parmar et al. 2022).
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import inception_network
from jaxgen.metrics.extractors.base import Extractor, in_chunks
from jaxgen.metrics.extractors.inception_params import expected_shapes, load_params
from jaxgen.metrics.extractors.input_paths import PATHS, InputPath, network_input
from jaxgen.metrics.extractors.weights_file import Published, located, read
from jaxgen.ops.backend import traced_for_cpu
from jaxgen.settings import lookup

__all__ = ["EXITS", "SIDE", "WEIGHTS", "features_at", "load", "load_params"]

SIDE = 299
EXITS = (64, 192, 768, 2048)
WEIGHTS = Published(
    network="the FID Inception",
    name="pt_inception-2015-12-05-6726825d.pth",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
# Measured on 2 cores: the stem ran fastest on one image, whose largest maps just fit the caches, the rest on 4. A
# program that needs more than 32 MB besides is given new memory by the system in every call, which costs as much
# again.
_CPU_CHUNK = 4
_ACCELERATOR_CHUNK = 128

_stem = jax.jit(inception_network.stem)


@jax.jit
def _trunk(params, maps):
    return inception_network.trunk(params, jnp.concatenate(maps))


@functools.partial(jax.jit, static_argnames="path")
def _whole(params, images, path):
    maps, early = inception_network.stem(params, network_input(images, path, SIDE))
    late, logits = inception_network.trunk(params, maps)
    return *early, *late, logits


def _one_by_one(params, images, path):
    inputs = [network_input(images[i : i + 1], path, SIDE) for i in range(len(images))]
    maps, early = zip(*(_stem(params, x) for x in inputs), strict=True)
    late, logits = _trunk(params, maps)
    return *map(np.concatenate, zip(*early, strict=True)), *late, logits


def _outputs(params, images, path: InputPath):
    one_by_one = traced_for_cpu()

    def apply(piece):
        if one_by_one and isinstance(piece, np.ndarray):
            return _one_by_one(params, piece, path)
        return _whole(params, piece, path)

    return in_chunks(apply, images, _CPU_CHUNK, _ACCELERATOR_CHUNK)


def features_at(params: dict, images: jax.Array, resize: str = "tf1") -> dict[str, np.ndarray]:
    """The features at every exit, and the logits without bias that the Inception Score uses.

    Args:
      params: of `load_params`.
      images: uint8 [B, H, W, C], C 1 or 3 (or float32 in [0, 255]).
      resize: the input path.

    Returns:
      "64", "192", "768", "2048": float32 [B, that], the means over each map; "logits_unbiased": [B, 1008].
    """
    names = (*map(str, EXITS), "logits_unbiased")
    return dict(zip(names, map(np.asarray, _outputs(params, images, PATHS[resize])), strict=True))


def load(
    resize: str = "", weights: str | Path = "", allow_other_weights: bool = False, feature_size: int = 2048
) -> Extractor:
    """The extractor, loaded once for each choice.

    Args:
      resize: "tf1" (or ""), "pytorch" or "clean".
      weights: a torch file in place of the cached or fetched one.
      allow_other_weights: accept weights that are not the known ones; the label then names their hash.
      feature_size: which exit gives the features: 64, 192, 768 or 2048.

    Raises:
      UserError: unknown choice, or weights that cannot be had or are not the known ones.
    """
    path = Path(weights).expanduser().resolve() if str(weights) else None
    return _load(resize or "tf1", path, bool(allow_other_weights), int(feature_size))


@functools.cache
def _params(path: Path | None, allow_other: bool) -> tuple[dict, str]:
    tensors, digest = read(path or located(WEIGHTS), WEIGHTS, expected_shapes(), allow_other)
    return jax.tree.map(jnp.asarray, load_params(tensors)), digest


@functools.cache
def _load(resize: str, path: Path | None, allow_other: bool, feature_size: int) -> Extractor:
    if resize not in PATHS:
        raise UserError(lookup.unknown("resize", resize, list(PATHS)))
    if feature_size not in EXITS:
        raise UserError(f"feature_size={feature_size}: the network has exits at {', '.join(map(str, EXITS))}")
    params, digest = _params(path, allow_other)
    way, known, index = PATHS[resize], digest == WEIGHTS.sha256, EXITS.index(feature_size)

    def apply(images):
        *features, logits = _outputs(params, images, way)
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
    )
