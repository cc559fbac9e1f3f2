"""Files as torch.save writes them, in both formats, made by hand and without torch."""

import collections
import io
import pickle
import struct
import zipfile
from typing import ClassVar

import numpy as np


class Global:
    """Pickles as a bare global name, so that files can be made by hand without the thing they name."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Persistent(tuple):
    __slots__ = ()


class Pickler(pickle._Pickler):
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_global_by_name(self, obj):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    dispatch[Global] = save_global_by_name

    def persistent_id(self, obj):
        return tuple(obj) if isinstance(obj, Persistent) else None


class Tensor:
    def __init__(self, kind, key, count, offset, shape, strides, view=()):
        self.pid = Persistent(("storage", Global("torch", kind), key, "cpu", count, *view))
        self.args = (self.pid, offset, shape, strides, False, collections.OrderedDict())


def _save_tensor(pickler, tensor):
    pickler.save_reduce(_Rebuild, tensor.args)


class _RebuildType:
    def __call__(self):
        """Only so that save_reduce takes it for a function."""


_Rebuild = _RebuildType()
Pickler.dispatch[Tensor] = _save_tensor
Pickler.dispatch[_RebuildType] = lambda pickler, _: pickler.write(b"ctorch._utils\n_rebuild_tensor_v2\n")


def pickled_with_tensors(obj) -> bytes:
    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(obj)
    return stream.getvalue()


def write_zip(path, obj, storages, compression=zipfile.ZIP_STORED, pickled=None):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled_with_tensors(obj) if pickled is None else pickled)
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())


def write_legacy(path, obj, storages, pickled=None):
    with open(path, "wb") as file:
        for item in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            file.write(pickle.dumps(item, protocol=2))
        file.write(pickled_with_tensors(obj) if pickled is None else pickled)
        file.write(pickle.dumps(list(storages), protocol=2))
        for array in storages.values():
            file.write(struct.pack("<q", array.size) + array.tobytes())


def state_dict(arrays):
    """A state dict of float32 arrays and int64 numbers, and its storages: what the writers take."""
    tree, storages = collections.OrderedDict(), {}
    for key, (name, array) in enumerate(arrays.items()):
        array = np.asarray(array, order="C")
        kind = {"float32": "FloatStorage", "int64": "LongStorage"}[array.dtype.name]
        strides = tuple(stride // array.itemsize for stride in array.strides)
        tree[name] = Tensor(kind, str(key), array.size, 0, array.shape, strides)
        storages[str(key)] = array
    return tree, storages
