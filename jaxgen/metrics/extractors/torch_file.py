"""Reads torch's `.pth` files, zip and legacy, without torch. No code in a file is run."""

import collections
import io
import math
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import pickle_limits

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_DTYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
    "ComplexDoubleStorage": np.complex128,
    "ComplexFloatStorage": np.complex64,
}
# What a damaged or hostile stream makes the unpickler, the zip reader or a shape check raise.
DAMAGE = (pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, struct.error)
DAMAGE += (EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError, MemoryError)
DAMAGE += (AssertionError, NotImplementedError, RecursionError, RuntimeError)
# A tensor may repeat its values by strides of 0. So many elements may come from a storage of any size.
_MOST_REPEATED = 2**24


class _StorageType(NamedTuple):
    """Stands for a torch storage class in the pickle: data only, not callable."""

    dtype: np.dtype


class _View(NamedTuple):
    """A run of elements in a storage whose bytes come later: root key, first element, element count, type."""

    key: str
    start: int
    count: int
    dtype: np.dtype


class _Lazy(NamedTuple):
    """A tensor found while unpickling. Its bytes are filled in afterwards, since the legacy format puts them last.

    It is a tuple, so that the pickle cannot change the numbers after the check.
    """

    view: _View
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Rebuild:
    """Takes the place of `torch._utils._rebuild_tensor_v2`; made anew for each file, so a pickle cannot alter it."""

    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, requires_grad=False, hooks=None, metadata=None):
        if not isinstance(storage, _View):
            raise pickle.UnpicklingError("a tensor is described in a way that torch does not write")
        _check_layout(offset, shape, strides)
        return _Lazy(storage, offset, tuple(shape), tuple(strides))


def _check_layout(offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or any(type(n) is not int for n in numbers):
        raise pickle.UnpicklingError("a tensor is described in a way that torch does not write")
    if min(numbers) < 0:
        raise pickle.UnpicklingError("a tensor has a negative size, stride or offset")


class TensorUnpickler(pickle.Unpickler):
    """An unpickler that knows four kinds of names and refuses every other one before anything is imported."""

    def __init__(self, stream: io.BytesIO, tensors: bool = True):
        pickle_limits.check(stream)
        super().__init__(stream, encoding="utf-8")
        self._tensors = tensors

    def find_class(self, module: str, name: str) -> Any:
        if self._tensors:
            if (module, name) == ("collections", "OrderedDict"):
                return collections.OrderedDict
            if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                return _Rebuild()
            if module == "torch" and name in _DTYPES:
                return _StorageType(np.dtype(_DTYPES[name]))
        raise pickle.UnpicklingError(
            f"it asks for {f'{module}.{name}'[:80]!r}, which is no plain tensor. Save the state_dict alone"
        )

    def persistent_load(self, pid: Any) -> _View:
        if not self._tensors or not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise pickle.UnpicklingError("it holds something other than tensors. Save the state_dict alone")
        _, kind, key, _, count, *view = pid
        start = 0
        if view and view[0] is not None:  # written by old versions: (own key, first element, element count)
            _, start, count = view[0]
        if not isinstance(kind, _StorageType) or [type(v) for v in (key, start, count)] != [str, int, int]:
            raise pickle.UnpicklingError("a storage is described in a way that torch does not write")
        return _View(key, start, count, kind.dtype)


def read_torch_file(path: str | Path) -> Any:
    """The object in a `.pth` file, its tensors as read-only NumPy arrays. Nothing in the file is executed.

    Args:
      path: a file of `torch.save`, in the zip format (torch >= 1.6) or the legacy format.

    Returns:
      The saved object (dicts, lists, numbers, strings). Each tensor is an array of its own shape and dtype. bfloat16
      becomes `ml_dtypes.bfloat16`. Tensors with a common storage share memory.

    Raises:
      UserError: a missing, truncated or damaged file, or objects beyond plain data and tensors.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Give the path of a .pth file") from None
    try:
        if data[:2] == b"PK":
            return _read_zip(data)
        tree, storages = _legacy_parts(data)
        return fill_tensors(tree, storages.__getitem__)
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} is damaged or no torch file of tensors: {reason[:300]}") from None


def _read_zip(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: info for info in archive.infolist()}
        root = next((name[: -len("data.pkl")] for name in members if name.endswith("/data.pkl")), None)
        if root is None:
            raise pickle.UnpicklingError("the zip holds no data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
            # torch never compresses; refusing it here also refuses zip bombs.
            raise pickle.UnpicklingError("its members are compressed, which torch never does")
        if f"{root}byteorder" in members and archive.read(f"{root}byteorder") != b"little":
            raise pickle.UnpicklingError("it was saved on a big-endian machine. Save it again on another")
        tree = TensorUnpickler(io.BytesIO(archive.read(f"{root}data.pkl"))).load()
        return fill_tensors(tree, lambda key: archive.read(f"{root}data/{key}"))


def read_storage(data: bytes) -> np.ndarray:
    """The elements [n] of a storage that torch pickled alone, in the legacy format.

    Raises:
      One of `DAMAGE`: the bytes have another format.
    """
    view, storages = _legacy_parts(data)
    if not isinstance(view, _View):
        raise pickle.UnpicklingError("a storage is described in a way that torch does not write")
    return strided(np.frombuffer(storages[view.key], view.dtype)[view.start :], 0, (view.count,), (1,))


def _legacy_parts(data: bytes) -> tuple[Any, dict[str, bytes]]:
    """The saved object with its tensors still unread, and the bytes of each storage."""
    stream = io.BytesIO(data)
    plain = [TensorUnpickler(stream, tensors=False).load() for _ in range(3)]
    if plain[:2] != [_LEGACY_MAGIC, _LEGACY_PROTOCOL]:
        raise pickle.UnpicklingError("the file does not start as torch.save writes it")
    tree = TensorUnpickler(stream).load()
    keys = TensorUnpickler(stream, tensors=False).load()
    views = [tree] if isinstance(tree, _View) else []
    if not views:
        _walk(tree, lambda lazy: views.append(lazy.view))
    sizes = {view.key: view.dtype.itemsize for view in views}
    storages = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        size = count * sizes[key]
        storages[key] = stream.read(size) if 0 <= size <= len(data) else b""
        if len(storages[key]) != size:
            raise EOFError("the file ends early")
    return tree, storages


def is_tensor(value: object) -> bool:
    """Whether an unpickled value is a tensor whose values `fill_tensors` will put in."""
    return isinstance(value, _Lazy)


def fill_tensors(tree: Any, read) -> Any:
    """The tree with every tensor's values in place. `read(key)` gives a storage's bytes and is called once a key."""
    buffers: dict[tuple[str, np.dtype], np.ndarray] = {}

    def array(lazy: _Lazy) -> np.ndarray:
        key, start, count, dtype = lazy.view
        if (key, dtype) not in buffers:
            buffers[key, dtype] = np.frombuffer(read(key), dtype)
        storage = buffers[key, dtype]
        if start < 0 or count < 0 or start + count > storage.size:
            raise EOFError(f"storage {key[:40]!r} is shorter than its tensors need")
        return strided(storage[start : start + count], lazy.offset, lazy.shape, lazy.strides)

    return _walk(tree, array)


def strided(storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """A read-only tensor over a storage [n]. Offset and strides count elements.

    Raises:
      One of `DAMAGE`: a layout that torch does not write, or that exceeds the storage.
    """
    _check_layout(offset, shape, strides)
    if 0 in shape:
        return np.empty(shape, storage.dtype)
    if offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) >= len(storage):
        raise ValueError(f"a tensor of shape {tuple(shape)} reaches past the end of its storage")
    if math.prod(shape) > max(len(storage), _MOST_REPEATED):
        raise ValueError(f"a tensor of shape {tuple(shape)} repeats a storage of {len(storage)} values too often")
    # A view, not a copy: a tensor expanded over stride 0 then costs no memory, whatever shape it claims.
    strides = [s * storage.itemsize for s in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], tuple(shape), strides, writeable=False)


def _walk(tree: Any, function, done: dict | None = None) -> Any:
    """The tree of dicts, lists and tuples with `function` applied to each tensor in it, each container walked once."""
    done = {} if done is None else done
    if id(tree) in done:
        return done[id(tree)]
    if isinstance(tree, _Lazy):
        result = function(tree)
    elif isinstance(tree, dict):
        result = type(tree)((name, _walk(value, function, done)) for name, value in tree.items())
    elif isinstance(tree, list | tuple) and not isinstance(tree, _View | _StorageType):
        result = type(tree)(_walk(value, function, done) for value in tree)
    elif tree is None or isinstance(tree, bool | int | float | complex | str | bytes | set | frozenset):
        return tree
    else:
        raise pickle.UnpicklingError("it holds something other than tensors. Save the state_dict alone")
    done[id(tree)] = result
    return result
