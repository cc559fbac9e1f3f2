"""Small valid files of every binary format that jaxgen reads, and the readers, for `tools/fuzz_readers.py`."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen.data import cifar10, idx, svhn_cropped
from jaxgen.errors import UserError
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.extractors.numpy_pickle import read_numpy_pickle
from jaxgen.metrics.extractors.torch_file import read_torch_file
from jaxgen.metrics.extractors.torchscript_file import read_torchscript_file
from jaxgen.official.description import describe
from jaxgen.official.tensor_files import read_networks
from tests.helpers import official_pickles as pickles

_VALUES = np.arange(12, dtype=np.float32)
_METADATA = {"n": 4, "feature_size": 3, "extractor": "e", "ddof": 1}


class Reader(NamedTuple):
    """One format.

    read: what opens a file and looks at all that it holds.
    suffix: of the file's name.
    forms: how bytes become a file, and valid bytes for each. The first form takes the bytes as they are. Others put
      them behind a checksum, which changed bytes would seldom pass.
    """

    read: Callable[[Path], object]
    suffix: str
    forms: tuple[tuple[Callable[[bytes], bytes], tuple[bytes, ...]], ...]


def _whole(data: bytes) -> bytes:
    return data


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _tensor(key: str = "0", shape: tuple[int, ...] = (3, 4), strides: tuple[int, ...] = (4, 1)) -> pickles.Call:
    reference = ("storage", pickles.Global("torch", "FloatStorage"), key, "cpu", 12)
    arguments = pickles.Persistent(reference), 0, shape, strides, False, pickles.Ordered()
    return pickles.Call(pickles.Global("torch._utils", "_rebuild_tensor_v2"), arguments)


def _state_dict() -> bytes:
    tree = {"a.weight": _tensor(), "b": [_tensor(shape=(12,), strides=(1,)), (1, None, 2.5, "x", True)], "e": {}}
    return pickles.dumps(pickles.Ordered(tree), 2)


def _torch_zip(code: bytes) -> bytes:
    return _zip({"archive/data.pkl": code, "archive/byteorder": b"little", "archive/data/0": _VALUES.tobytes()})


def _torch_legacy() -> bytes:
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    return head + _state_dict() + pickle.dumps(["0"], 2) + struct.pack("<q", 12) + _VALUES.tobytes()


def _scripted() -> bytes:
    tensor, name = pickles.dumps(_tensor(), 2)[2:-1], pickle.dumps("weight", 2)[2:-1]
    inner = b"c__torch__.network\nLayer\n)\x81}(" + name + tensor + b"ub"
    sizes = pickle.dumps("size", 2)[2:-1] + b"ctorch.jit._pickle\nbuild_intlist\n](K\x02K\x02e\x85R"
    return b"\x80\x02c__torch__.network\nModule\n)\x81}(" + pickle.dumps("conv", 2)[2:-1] + inner + sizes + b"ub."


def _torchscript(code: bytes) -> bytes:
    program = "raise SystemExit('this must never run')"
    return _zip({"n/data.pkl": code, "n/code/__torch__/network.py": program.encode(), "n/data/0": _VALUES.tobytes()})


def _numpy_pickles() -> tuple[bytes, ...]:
    tree = {
        "net": {"kernel": _VALUES.reshape(3, 4), "bias": np.ones(3)},
        "more": [np.array(5), (_VALUES[::2],)],
        "n": 7,
    }
    return tuple(pickle.dumps(tree, protocol) for protocol in (2, 3, 4))


def _network_pickle() -> bytes:
    r, filter_ = np.random.default_rng(0), np.float32([1, 3, 3, 1])
    shapes = {"mapping.fc0.weight": (4, 4), "mapping.w_avg": (4,), "synthesis.b4.const": (2, 4, 4)}
    shapes |= {"synthesis.b4.conv1.weight": (2, 2, 3, 3), "synthesis.b4.conv1.affine.weight": (2, 4)}
    shapes |= {"synthesis.b4.torgb.weight": (3, 2, 1, 1)}
    tensors = {name: r.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    tensors["synthesis.resample_filter"] = np.outer(filter_, filter_) / 64
    options = {"z_dim": 4, "synthesis_kwargs": pickles.Easy(channel_base=8, channel_max=2, conv_clamp=None)}
    attributes = {"mapping": {"w_avg_beta": 0.995}, "mapping.fc0": {"bias_gain": pickles.gain(0.01)}}
    g = pickles.network("Generator", tensors, options, attributes)
    data = pickles.Easy(path="a.zip", xflip=True)
    return pickles.dumps({"training_set_kwargs": data, "G": g, "G_ema": g, "D": None, "augment_pipe": None})


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _statistics(metadata: bytes = b'{"n": 4, "ddof": 1}') -> bytes:
    return _npz(mu=np.zeros(3), sigma=np.eye(3), metadata=np.array(metadata.decode("latin-1")))


def _statistics_with(mean: bytes) -> bytes:
    return _zip({"mu.npy": mean, "sigma.npy": _npy(np.eye(3)), "features.npy": mean})


def _read_statistics(path: Path) -> None:
    refusals = []
    for read in (_read_saved, lambda path: statistics_file.load_features(path, _METADATA)):
        try:
            read(path)
        except (statistics_file.Mismatch, OSError) as error:
            refusals.append(str(error))
    if len(refusals) == 2:
        raise UserError(refusals[0])


def _read_saved(path: Path) -> None:
    saved = statistics_file.load(path)
    if saved.n is None or saved.n > 1:
        statistics_file.matching(saved, {**_METADATA, **(saved.metadata or {})})


def _read_tensors(path: Path) -> None:
    for tensor in _arrays(read_torch_file(path)):
        np.array(tensor)


def _arrays(tree: object) -> list[np.ndarray]:
    """The arrays of a tree, each once. Trees may refer to a part many times."""
    found, waiting, seen = [], [tree], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            found.append(item)
        elif isinstance(item, dict):
            waiting += list(dict.values(item))
        elif isinstance(item, list | tuple):
            waiting += list(item)
    return found


def _read_networks(path: Path) -> None:
    describe(read_networks(path).networks, path.name)


def _read_idx(path: Path) -> None:
    for dimensions in (1, 3):
        try:
            idx.read(path, dimensions)
        except UserError:
            if dimensions == 3:
                raise


def _idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def _records(count: int = 2) -> bytes:
    return b"".join(bytes([label]) + bytes(3072) for label in range(count))


def _tar(data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 1)


def _read_cifar10(path: Path) -> None:
    if path.read_bytes()[:2] == b"\x1f\x8b":
        cifar10._from_archive(path, ["test_batch.bin"])
    else:
        cifar10._batch(path.read_bytes(), path.name)


def _mat(compressed: bool) -> bytes:
    from scipy.io import savemat

    file = io.BytesIO()
    images, labels = np.zeros((32, 32, 3, 1), np.uint8), np.ones((1, 1), np.uint8)
    savemat(file, {"X": images, "y": labels}, do_compression=compressed)
    return file.getvalue()


def readers() -> dict[str, Reader]:
    """The readers by name."""
    batch = _gzip(_tar(_records()))
    return {
        "torch": Reader(
            _read_tensors,
            ".pth",
            ((_whole, (_torch_zip(_state_dict()), _torch_legacy())), (_torch_zip, (_state_dict(),))),
        ),
        "torchscript": Reader(
            lambda path: [np.array(tensor) for tensor in read_torchscript_file(path).values()],
            ".pt",
            ((_whole, (_torchscript(_scripted()),)), (_torchscript, (_scripted(),))),
        ),
        "numpy_pickle": Reader(read_numpy_pickle, ".ckpt", ((_whole, _numpy_pickles()),)),
        "network_pickle": Reader(_read_networks, ".pkl", ((_whole, (_network_pickle(),)),)),
        "network_npz": Reader(
            _read_networks,
            ".npz",
            (
                (_whole, (_npz(**{"G_ema.mapping.fc0.weight": _VALUES}),)),
                (lambda data: _zip({"synthesis.b4.const.npy": data}), (_npy(_VALUES),)),
            ),
        ),
        "idx": Reader(
            _read_idx,
            ".gz",
            (
                (_whole, (_idx(np.zeros((2, 3, 4), np.uint8)), _gzip(_idx(np.zeros(5, np.uint8))))),
                (_gzip, (_idx(np.zeros((2, 3, 4), np.uint8)), _idx(np.zeros(5, np.uint8)))),
            ),
        ),
        "cifar10": Reader(_read_cifar10, ".tar.gz", ((_whole, (_records(), batch)), (_gzip, (_tar(_records()),)))),
        "mat": Reader(svhn_cropped._read, ".mat", ((_whole, (_mat(False), _mat(True))),)),
        "statistics": Reader(
            _read_statistics,
            ".npz",
            (
                (_whole, (_statistics(), _npz(mu=np.zeros(3), sigma=np.eye(3)))),
                (_statistics_with, (_npy(np.zeros(3)), _npy(np.zeros((4, 3), np.float32)))),
                (_statistics, (b'{"n": 4, "ddof": 1}', b'{"n": 1e400, "extractor": [null, true]}')),
            ),
        ),
    }
