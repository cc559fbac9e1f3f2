"""Reads the tensors of a TorchScript archive (`torch.jit.save`) without torch and without running its code."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.extractors.torch_file import DAMAGE, TensorUnpickler, fill_tensors, is_tensor

_MOST_MODULES = 10_000  # A network has a few hundred. A hostile file could nest modules without end.
# TorchScript wraps lists in these calls; the first argument is the list itself.
_WRAPPERS = ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "restore_type_tag")


class _Unwrap:
    """Takes the place of a function of `torch.jit._pickle` and returns its first argument."""

    __slots__ = ()

    def __call__(self, value, *_):
        return value


class _ModuleUnpickler(TensorUnpickler):
    """Knows scripted classes as inert objects that keep their attributes."""

    def __init__(self, stream):
        super().__init__(stream)

        class Module:
            """Stands for every scripted class; made anew for each file, so that no pickle alters the next one's."""

            __slots__ = ("attributes",)

            def __setstate__(self, state):
                if type(state) is not dict:
                    raise pickle.UnpicklingError("a module is described in a way that TorchScript does not write")
                self.attributes = state

        self.Module = Module

    def find_class(self, module: str, name: str) -> object:
        if module.split(".")[0] == "__torch__":
            return self.Module
        if module == "torch.jit._pickle" and name in _WRAPPERS:
            return _Unwrap()
        return super().find_class(module, name)


def read_torchscript_file(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a TorchScript archive by their state-dict names, as read-only arrays.

    The archive's program (`code/`) is never read.

    Raises:
      UserError: a missing or damaged file, or a file that asks for anything but modules and tensors.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            return _read(archive)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Give the path of a TorchScript file.") from None
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not a readable TorchScript archive, or damaged: {reason[:300]}") from None


def _read(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    members = {info.filename: info for info in archive.infolist()}
    root = next((name[: -len("data.pkl")] for name in members if name.endswith("/data.pkl")), None)
    if root is None or not any(name.startswith(f"{root}code/") for name in members):
        raise pickle.UnpicklingError("the zip holds no data.pkl beside code/")
    stored = (info for name, info in members.items() if name.startswith((f"{root}data.pkl", f"{root}data/")))
    if any(info.compress_type != zipfile.ZIP_STORED for info in stored):
        # torch never compresses tensors. Refusing compressed ones also refuses zip bombs.
        raise pickle.UnpicklingError("its tensors are compressed, which torch never does")
    if f"{root}byteorder" in members and archive.read(f"{root}byteorder") != b"little":
        raise pickle.UnpicklingError("a big-endian machine wrote it")
    unpickler = _ModuleUnpickler(io.BytesIO(archive.read(f"{root}data.pkl")))
    tensors: dict[str, object] = {}
    _collect(unpickler.load(), unpickler.Module, "", tensors, set())
    return fill_tensors(tensors, lambda key: archive.read(f"{root}data/{key}"))


def _collect(module: object, kind: type, prefix: str, tensors: dict[str, object], seen: set[int]) -> None:
    """Puts the lazy tensors of a module, and of the modules inside it, into `tensors`."""
    if not isinstance(module, kind) or not hasattr(module, "attributes"):
        raise pickle.UnpicklingError("it holds something other than a scripted module")
    if id(module) in seen or len(seen) == _MOST_MODULES:
        raise pickle.UnpicklingError("a module lies in itself, in two places, or among too many others")
    seen.add(id(module))
    for name, value in module.attributes.items():
        if is_tensor(value):
            tensors[f"{prefix}{name}"] = value
        elif isinstance(value, kind):
            _collect(value, kind, f"{prefix}{name}.", tensors, seen)
