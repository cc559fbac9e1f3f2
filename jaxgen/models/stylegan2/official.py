"""Converts tensor names and layouts of the published networks (stylegan2-ada-pytorch's state dicts) to ours and back.

Published layouts: dense weights [out, in], convolutions [out, in, k, k], constants [C, 4, 4]. Our layouts: [in, out],
[k, k, in, out], [4, 4, C]. Filters (`resample_filter`) are constants here.
"""

import re
from collections.abc import Mapping

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxgen.ops.resample import BINOMIAL

# The filter as it is stored with each layer, [4, 4]; it sums to 1.
FILTER = np.outer(BINOMIAL, BINOMIAL).astype(np.float32)
_BUFFERS = {"w_avg": "w_avg", "noise_const": "noise"}  # their name -> our collection
_SKIPPED = "resample_filter"
# Where an axis of ours stands among theirs, by a tensor's name and number of axes.
_AXES = {("const", 3): (1, 2, 0), ("weight", 4): (2, 3, 1, 0), ("weight", 2): (1, 0)}


def from_official(tensors: Mapping[str, np.ndarray]) -> dict[str, dict]:
    """Collections `{"params": ..., "noise": ..., "w_avg": ...}` of one network (G without its prefix, or D).

    Our names are the dotted parts of the official names: `mapping.fc0.weight` is `params["mapping"]["fc0"]["weight"]`.
    """
    collections: dict[str, dict] = {"params": {}}
    for name, tensor in tensors.items():
        leaf = name.split(".")[-1]
        if leaf != _SKIPPED:
            order = _AXES.get((leaf, np.ndim(tensor)))
            array = np.asarray(tensor).transpose(order) if order else np.asarray(tensor)
            collections.setdefault(_BUFFERS.get(leaf, "params"), {})[name] = array
    return {name: unflatten_dict(flat, sep=".") for name, flat in collections.items()}


def to_official(collections: Mapping[str, Mapping]) -> dict[str, np.ndarray]:
    """The inverse of `from_official`, without the filters."""
    tensors = {}
    for tree in collections.values():
        for name, array in flatten_dict(tree, sep=".").items():
            order = _AXES.get((name.split(".")[-1], np.ndim(array)))
            tensors[name] = np.asarray(array).transpose(np.argsort(order)) if order else np.asarray(array)
    return tensors


def with_filters(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A network's tensors together with the filters in its state dict.

    Filters belong to every convolution except those to RGB, to every resolution of G, and to D above 4x4.
    """
    layers = {
        name.removesuffix(".weight")
        for name, tensor in tensors.items()
        if name.endswith(".weight") and np.ndim(tensor) == 4 and not name.endswith("torgb.weight")
    }
    blocks = {match[0] for name in tensors if (match := re.match(r"synthesis\.b\d+(?=\.)|b(?!4\.)\d+(?=\.)", name))}
    return {**tensors, **{f"{path}.{_SKIPPED}": FILTER for path in sorted(layers | blocks)}}
