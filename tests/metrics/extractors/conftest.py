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
        return np.load(GOLDEN / name)

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


@pytest.fixture(scope="session")
def save_torch():
    """save_torch(path, tensors): a state dict of float32 arrays as torch.save writes it, without torch."""

    def integers(values):
        return b"(" + b"".join(b"J" + struct.pack("<i", v) for v in values) + b"t"

    def text(value):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()

    def save(path, tensors):
        code = pickle.PROTO + b"\x02}("
        with zipfile.ZipFile(path, "w") as archive:
            for key, (name, array) in enumerate(tensors.items()):
                storage = text("storage") + b"ctorch\nFloatStorage\n" + text(str(key)) + text("cpu")
                strides = [stride // 4 for stride in np.empty(array.shape, np.float32).strides]
                code += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n("
                code += b"(" + storage + b"J" + struct.pack("<i", array.size) + b"tQK\x00"
                code += integers(array.shape) + integers(strides) + b"\x89ccollections\nOrderedDict\n)RtR"
                archive.writestr(f"archive/data/{key}", np.asarray(array, np.float32).tobytes())
            archive.writestr("archive/data.pkl", code + b"u.")
        return path

    return save
