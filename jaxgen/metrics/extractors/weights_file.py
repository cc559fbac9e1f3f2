"""Weights of published networks: found or fetched once, and refused if unknown."""

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen.errors import UserError
from jaxgen.files.fetch import fetch
from jaxgen.metrics.extractors.torch_file import read_torch_file

NORMALISATION = ("weight", "bias", "running_mean", "running_var")  # the tensors of a batch normalisation
_EPSILON = 1e-3


class Published(NamedTuple):
    """A publisher's file. network: the network of these weights, for messages."""

    network: str
    name: str
    url: str
    sha256: str


def weights_folder() -> Path:
    """The folder of fetched weights: `$JAXGEN_CACHE/weights`, or `~/.cache/jaxgen/weights`."""
    return Path(os.environ.get("JAXGEN_CACHE") or "~/.cache/jaxgen").expanduser() / "weights"


def located(published: Published) -> Path:
    """The file in `weights_folder`, downloaded once if it is not there.

    Raises:
      UserError: the download failed. The line says where to put the file by hand.
    """
    path = weights_folder() / published.name
    if not path.is_file():
        try:
            fetch(published.url, path, published.sha256, what=published.network, progress=sys.stderr.isatty())
        except UserError as error:
            raise UserError(f"{error}. The extractor efficientnet_lite0 needs no download") from error
    return path


def read(
    path: Path, published: Published, expected: Mapping[str, tuple[int, ...]], allow_other: bool
) -> tuple[dict[str, np.ndarray], str]:
    """The tensors in a torch file, and its SHA-256.

    Args:
      expected: name -> shape of every required tensor. The file may hold others.
      allow_other: accept a file other than the published file, if its tensors fit.

    Raises:
      UserError: the file is unreadable or unknown, or tensors are missing, not finite or of other shapes.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Give the path of a .pth file") from None
    if digest != published.sha256 and not allow_other:
        raise UserError(
            f"{path}: not the weights of {published.network} (SHA-256 {digest[:16]}..., not "
            f"{published.sha256[:16]}...). Get {published.url}, or set allow_other_weights=True (it renames numbers)"
        )
    tensors = read_torch_file(path)
    if not isinstance(tensors, dict):
        raise UserError(f"{path} holds a {type(tensors).__name__}, not tensors by name. Save the state_dict alone")
    check_shapes(tensors, expected, str(path))
    for name in expected:
        if not np.isfinite(tensors[name]).all():
            raise UserError(f"{path}: {name} has values that are not finite. Use weights of a successful training")
    return tensors, digest


def check_shapes(tensors: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Refuses tensors that do not fit the network.

    Raises:
      UserError: tensors are missing or have another shape. The line names the first three.
    """
    missing = [name for name in expected if not isinstance(tensors.get(name), np.ndarray)]
    present = [] if missing else expected.items()
    wrong = [f"{name} {tensors[name].shape}, not {shape}" for name, shape in present if tensors[name].shape != shape]
    for names, fault in ((missing, "missing"), (wrong, "of another shape")):
        if names:
            count = "1 tensor is" if len(names) == 1 else f"{len(names)} tensors are"
            listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise UserError(f"{where}: {count} {fault}: {listed}. Use weights of this very network")


def folded(tensors: Mapping[str, np.ndarray], convolution: str, norm: str) -> dict[str, np.ndarray]:
    """A convolution with its batch normalisation folded in: `kernel` (HWIO) and `bias`, float64."""
    weight = np.asarray(tensors[f"{convolution}.weight"], np.float64)
    gamma, beta, mean, variance = (np.asarray(tensors[f"{norm}.{part}"], np.float64) for part in NORMALISATION)
    gain = gamma / np.sqrt(variance + _EPSILON)
    return {"kernel": (weight * gain[:, None, None, None]).transpose(2, 3, 1, 0), "bias": beta - mean * gain}
