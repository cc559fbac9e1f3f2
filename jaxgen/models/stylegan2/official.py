"""Tensor names and layouts of the published networks (stylegan2-ada-pytorch's state dicts), to ours and back.

Theirs: dense weights [out, in], convolutions [out, in, k, k], constants [C, 4, 4]. Ours: [in, out], [k, k, in, out],
[4, 4, C]. Filters (`resample_filter`) are constants here.
"""

import re
from collections.abc import Mapping

import numpy as np

from jaxgen.ops.resample import BINOMIAL

# The filter as it is stored with each layer, [4, 4]; it sums to 1.
FILTER = np.outer(BINOMIAL, BINOMIAL).astype(np.float32)
_BUFFERS = {"w_avg": "w_avg", "noise_const": "noise"}  # their name -> our collection
_SKIPPED = "resample_filter"


def from_official(tensors: Mapping[str, np.ndarray]) -> dict[str, dict]:
    """Collections `{"params": ..., "noise": ..., "w_avg": ...}` of one network (G without its prefix, or D).

    The trees' names are the dotted parts of theirs: `mapping.fc0.weight` is `params["mapping"]["fc0"]["weight"]`.
    """
    collections: dict[str, dict] = {"params": {}}
    for name, tensor in tensors.items():
        *path, leaf = name.split(".")
        if leaf == _SKIPPED:
            continue
        branch = collections.setdefault(_BUFFERS.get(leaf, "params"), {})
        for part in path:
            branch = branch.setdefault(part, {})
        branch[leaf] = _ours(leaf, np.asarray(tensor))
    return collections


def to_official(collections: Mapping[str, Mapping]) -> dict[str, np.ndarray]:
    """The inverse of `from_official`, without the filters."""
    return {
        ".".join(path): _theirs(path[-1], np.asarray(array))
        for tree in collections.values()
        for path, array in _leaves(tree, ())
    }


def with_filters(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A network's tensors with the filters that its state dict also has: of every convolution but those to RGB, of
    every resolution of G, and of those of D above 4x4.
    """
    layers = {
        name.removesuffix(".weight")
        for name, tensor in tensors.items()
        if name.endswith(".weight") and np.ndim(tensor) == 4 and not name.endswith("torgb.weight")
    }
    blocks = {match[0] for name in tensors if (match := re.match(r"synthesis\.b\d+(?=\.)|b(?!4\.)\d+(?=\.)", name))}
    return {**tensors, **{f"{path}.{_SKIPPED}": FILTER for path in sorted(layers | blocks)}}


def _leaves(tree: Mapping, path: tuple[str, ...]):
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _ours(leaf: str, tensor: np.ndarray) -> np.ndarray:
    if leaf == "const":
        return tensor.transpose(1, 2, 0)
    if leaf == "weight":
        return tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.T
    return tensor


def _theirs(leaf: str, array: np.ndarray) -> np.ndarray:
    if leaf == "const":
        return array.transpose(2, 0, 1)
    if leaf == "weight":
        return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
    return array
