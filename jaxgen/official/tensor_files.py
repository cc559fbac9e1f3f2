"""Files of tensors under the official names: `.npz` and `.safetensors`, and torch's `.pt`, `.pth`, `.tar` to read."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from jaxgen.errors import UserError
from jaxgen.files import npz, workdir
from jaxgen.metrics.extractors.torch_file import read_torch_file
from jaxgen.official.network_pickle import Contents, Network, read_network_pickle

WRITTEN = (".npz", ".safetensors")
_NETWORKS = ("G", "D", "G_ema")


def read_networks(path: Path) -> Contents:
    """The networks in a file: NVIDIA's `.pkl`, or tensors by name, such as `G_ema.mapping.fc0.weight`.

    Names without a prefix are those of G_ema.

    Raises:
      UserError: missing, unreadable or hostile file, or one without a generator.
    """
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    readers |= dict.fromkeys((".pt", ".pth", ".tar"), read_torch_file)
    if path.suffix.lower() not in readers:
        contents = read_network_pickle(path)
    else:
        contents = Contents(_split(readers[path.suffix.lower()](path), path), {})
    if not {"G", "G_ema"} & set(contents.networks):
        there = ", ".join(sorted(contents.networks)) or "no network"
        raise UserError(f"{path} holds {there}, but a generator, G_ema or G, is needed")
    return contents


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Writes the whole `.npz` or `.safetensors` file, or nothing. `metadata` is written if the format has a place.

    Raises:
      UserError: another suffix, or safetensors is not installed.
    """
    # Not ascontiguousarray: it gives an axis to single numbers such as noise_strength, which official files lack.
    arrays = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    if path.suffix.lower() not in WRITTEN:
        raise UserError(f"{path}: the file name must end in {' or '.join(WRITTEN)}")
    library = _safetensors(path) if path.suffix.lower() == ".safetensors" else None
    with workdir.atomic(path) as file:
        if library is None:
            np.savez(file, **arrays)
        else:
            file.write(library.save(arrays, metadata=dict(metadata)))


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with npz.opened(path) as arrays:
            return dict(arrays)
    except (npz.Damaged, OSError) as error:
        raise UserError(f"{path}: cannot be read as .npz ({npz.reason_of(error)})") from None


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    library = _safetensors(path)
    try:
        return library.load_file(path)
    except Exception as error:  # its own class, and whatever the conversion to NumPy raises
        raise UserError(f"{path}: cannot be read as .safetensors ({' '.join(str(error).split())[:200]})") from None


def _safetensors(path: Path) -> ModuleType:
    try:
        from safetensors import numpy as library
    except ImportError:
        install = "pip install 'jaxgen[safetensors]'"
        raise UserError(f"{path}: needs the package safetensors ({install}), or use .npz") from None
    return library


def _split(tensors: object, path: Path) -> dict[str, Network]:
    """Tensors by network: of `G.`, `D.`, `G_ema.` in front of their names, or of dicts by those keys."""
    if not isinstance(tensors, Mapping):
        raise UserError(f"{path} holds a {type(tensors).__name__}, not tensors by name")
    flat: dict[str, Any] = {}
    for name, value in tensors.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        flat |= {f"{name}.{rest}" if rest else str(name): tensor for rest, tensor in inner}
    networks: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in flat.items():
        if isinstance(tensor, np.ndarray):
            network, _, rest = name.partition(".")
            network, rest = (network, rest) if network in _NETWORKS else ("G_ema", name)
            networks.setdefault(network, {})[rest] = tensor
    return {name: Network(tensors=tensors) for name, tensors in networks.items()}
