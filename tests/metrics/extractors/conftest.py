import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from jaxgen.metrics.extractors.inception_params import expected_shapes

GOLDEN = Path(__file__).parents[4] / "shared" / "golden"


@pytest.fixture(scope="session")
def golden():
    """golden(name) -> an array file of the reference implementations; skips where the folder is missing."""

    def load(name):
        if not (GOLDEN / name).exists():
            pytest.skip(f"needs ../shared/golden/{name}")
        with np.load(GOLDEN / name) as arrays:
            return dict(arrays)

    return load


@pytest.fixture(scope="session")
def inception_tensors():
    """Random tensors of the Inception network, each from its name alone, as those behind the golden arrays."""
    tensors = {}
    for name, shape in {**expected_shapes(), "fc.bias": (1008,)}.items():
        r = np.random.RandomState(zlib.crc32(f"{name}.0".encode()) % 2**32)
        if name.endswith("conv.weight"):
            values = r.randn(*shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif name == "fc.weight":
            values = r.randn(*shape) * 0.02
        elif name.endswith(("running_var", "bn.weight")):
            values = r.uniform(0.5, 1.5, shape)
        else:
            values = r.randn(*shape) * 0.1
        tensors[name] = values.astype(np.float32)
    return tensors


def _integers(values):
    return b"(" + b"".join(b"J" + struct.pack("<i", v) for v in values) + b"t"


def _text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def _tensor(key, array):
    """Pickle code of a float32 tensor whose values lie in storage `key`."""
    storage = _text("storage") + b"ctorch\nFloatStorage\n" + _text(str(key)) + _text("cpu")
    strides = [stride // 4 for stride in np.empty(array.shape, np.float32).strides]
    code = b"ctorch._utils\n_rebuild_tensor_v2\n(("
    code += storage + b"J" + struct.pack("<i", array.size) + b"tQK\x00"
    return code + _integers(array.shape) + _integers(strides) + b"\x89ccollections\nOrderedDict\n)RtR"


@pytest.fixture(scope="session")
def save_torch():
    """save_torch(path, tensors): a state dict of float32 arrays as torch.save writes it, without torch."""

    def save(path, tensors):
        code = pickle.PROTO + b"\x02}("
        with zipfile.ZipFile(path, "w") as archive:
            for key, (name, array) in enumerate(tensors.items()):
                code += _text(name) + _tensor(key, array)
                archive.writestr(f"archive/data/{key}", np.asarray(array, np.float32).tobytes())
            archive.writestr("archive/data.pkl", code + b"u.")
        return path

    return save


@pytest.fixture(scope="session")
def save_torchscript():
    """save_torchscript(path, tensors): nested modules as torch.jit.save writes them, without torch.

    A dotted name is an attribute of nested modules. `attributes` adds pickle code of further attributes of the root.
    """

    def module(tree, archive, count):
        code = b"c__torch__.network\nModule\n)\x81}("
        code += _text("training") + b"\x89"
        for name, value in tree.items():
            if isinstance(value, dict):
                code += _text(name) + module(value, archive, count)
            else:
                archive.writestr(f"net/data/{count[0]}", np.asarray(value, np.float32).tobytes())
                code += _text(name) + _tensor(count[0], value)
                count[0] += 1
        return code + b"ub"

    def save(path, tensors, attributes=b"", compression=zipfile.ZIP_STORED):
        tree = {}
        for name, array in tensors.items():
            *parents, last = name.split(".")
            place = tree
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = array
        with zipfile.ZipFile(path, "w", compression) as archive:
            code = module(tree, archive, [0])
            if attributes:
                code = code[:-2] + attributes + b"ub"
            archive.writestr("net/data.pkl", pickle.PROTO + b"\x02" + code + b".")
            archive.writestr("net/code/__torch__/network.py", "raise SystemExit('this must never run')")
        return path

    return save
