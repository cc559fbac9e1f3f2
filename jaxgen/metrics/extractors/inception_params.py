"""Tensors of the Inception network of FID (2015-12-05, 1008 outputs), and the parameters for computation.

Batch normalisation is folded into the convolutions. Convolutions of size 1 with a common input are joined.
"""

from collections.abc import Mapping

import numpy as np

from jaxgen.metrics.extractors import winograd
from jaxgen.metrics.extractors.weights import NORMALISATION, check_shapes, folded
from jaxgen.ops.backend import traced_for_cpu

CLASSES = 1008
# With fewer input channels the products of a Winograd tile are too thin.
_MIN_CHANNELS = 16


def _mixed_35(inputs: int, pool: int) -> dict:
    return {
        "branch1x1": (inputs, 64, 1, 1),
        "branch5x5_1": (inputs, 48, 1, 1),
        "branch5x5_2": (48, 64, 5, 5),
        "branch3x3dbl_1": (inputs, 64, 1, 1),
        "branch3x3dbl_2": (64, 96, 3, 3),
        "branch3x3dbl_3": (96, 96, 3, 3),
        "branch_pool": (inputs, pool, 1, 1),
    }


def _mixed_17(width: int) -> dict:
    return {
        "branch1x1": (768, 192, 1, 1),
        "branch7x7_1": (768, width, 1, 1),
        "branch7x7_2": (width, width, 1, 7),
        "branch7x7_3": (width, 192, 7, 1),
        "branch7x7dbl_1": (768, width, 1, 1),
        "branch7x7dbl_2": (width, width, 7, 1),
        "branch7x7dbl_3": (width, width, 1, 7),
        "branch7x7dbl_4": (width, width, 7, 1),
        "branch7x7dbl_5": (width, 192, 1, 7),
        "branch_pool": (768, 192, 1, 1),
    }


def _mixed_8(inputs: int) -> dict:
    return {
        "branch1x1": (inputs, 320, 1, 1),
        "branch3x3_1": (inputs, 384, 1, 1),
        "branch3x3_2a": (384, 384, 1, 3),
        "branch3x3_2b": (384, 384, 3, 1),
        "branch3x3dbl_1": (inputs, 448, 1, 1),
        "branch3x3dbl_2": (448, 384, 3, 3),
        "branch3x3dbl_3a": (384, 384, 1, 3),
        "branch3x3dbl_3b": (384, 384, 3, 1),
        "branch_pool": (inputs, 192, 1, 1),
    }


# (input channels, output channels, kernel height, kernel width) of every convolution.
_STEM = {
    "Conv2d_1a_3x3": (3, 32, 3, 3),
    "Conv2d_2a_3x3": (32, 32, 3, 3),
    "Conv2d_2b_3x3": (32, 64, 3, 3),
    "Conv2d_3b_1x1": (64, 80, 1, 1),
    "Conv2d_4a_3x3": (80, 192, 3, 3),
}
BLOCKS = {
    "Mixed_5b": _mixed_35(192, 32),
    "Mixed_5c": _mixed_35(256, 64),
    "Mixed_5d": _mixed_35(288, 64),
    "Mixed_6a": {
        "branch3x3": (288, 384, 3, 3),
        "branch3x3dbl_1": (288, 64, 1, 1),
        "branch3x3dbl_2": (64, 96, 3, 3),
        "branch3x3dbl_3": (96, 96, 3, 3),
    },
    "Mixed_6b": _mixed_17(128),
    "Mixed_6c": _mixed_17(160),
    "Mixed_6d": _mixed_17(160),
    "Mixed_6e": _mixed_17(192),
    "Mixed_7a": {
        "branch3x3_1": (768, 192, 1, 1),
        "branch3x3_2": (192, 320, 3, 3),
        "branch7x7x3_1": (768, 192, 1, 1),
        "branch7x7x3_2": (192, 192, 1, 7),
        "branch7x7x3_3": (192, 192, 7, 1),
        "branch7x7x3_4": (192, 192, 3, 3),
    },
    "Mixed_7b": _mixed_8(1280),
    "Mixed_7c": _mixed_8(2048),
}
CONVOLUTIONS = _STEM | {f"{block}.{name}": s for block, convs in BLOCKS.items() for name, s in convs.items()}
# Convolutions with stride 2, and so without padding.
_STRIDE_2 = (
    "Conv2d_1a_3x3",
    "Mixed_6a.branch3x3",
    "Mixed_6a.branch3x3dbl_3",
    "Mixed_7a.branch3x3_2",
    "Mixed_7a.branch7x7x3_4",
)


def stride(name: str) -> int:
    """Parameters of a convolution."""
    return 2 if name in _STRIDE_2 else 1


def shared(block: str) -> list[str]:
    """The convolutions of size 1 of a block that form one product, in the order of their outputs."""
    names = [name for name, shape in BLOCKS[block].items() if shape[2:] == (1, 1)]
    return [name for name in names if (block, name) != ("Mixed_7c", "branch_pool")]


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every required tensor, in torch's layout."""
    shapes = {}
    for name, (inputs, outputs, height, width) in CONVOLUTIONS.items():
        shapes[f"{name}.conv.weight"] = (outputs, inputs, height, width)
        shapes |= {f"{name}.bn.{part}": (outputs,) for part in NORMALISATION}
    return shapes | {"fc.weight": (CLASSES, 2048)}


def load_params(tensors: Mapping[str, np.ndarray]) -> dict:
    """The network's parameters in the fastest form for this backend, from tensors with torch's names.

    Tensors that the network does not use, such as `fc.bias`, are ignored.

    Raises:
      UserError: a tensor is missing or has another shape. The line names it.
    """
    expected = expected_shapes()
    if "fc.weight" not in tensors:  # A package without the classifier: features only.
        del expected["fc.weight"]
    check_shapes(tensors, expected, "the tensors")
    layers = {name: folded(tensors, f"{name}.conv", f"{name}.bn") for name in CONVOLUTIONS}
    for block in BLOCKS:
        parts = [layers.pop(f"{block}.{name}") for name in shared(block)]
        layers[f"{block}.shared"] = {key: np.concatenate([p[key] for p in parts], -1) for key in ("kernel", "bias")}
    params = {}
    for name, layer in layers.items():
        kernel, params[name] = layer["kernel"], {"bias": layer["bias"].astype(np.float32)}
        if traced_for_cpu() and kernel.shape[:2] != (1, 1) and kernel.shape[2] >= _MIN_CHANNELS:
            params[name]["terms"] = winograd.kernel_terms(kernel, stride(name))
        else:
            params[name]["kernel"] = kernel.astype(np.float32)
    if "fc.weight" in tensors:
        params["fc"] = np.ascontiguousarray(tensors["fc.weight"].astype(np.float32).T)
    return params
