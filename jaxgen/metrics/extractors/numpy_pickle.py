"""Reads a pickle of NumPy arrays in dicts, lists and tuples without running anything that is in it."""

import io
import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import pickle_limits
from jaxgen.metrics.extractors.torch_file import DAMAGE

_NUMBERS = {f"{kind}{size}" for kind in "fiu" for size in (1, 2, 4, 8)} - {"f1"} | {"b1"}
_MOST_PARTS = 100_000


class NumberType:
    """Stands for `numpy.dtype` of a number."""

    __slots__ = ("dtype",)

    def __init__(self, code, *options):
        if code not in _NUMBERS:
            raise pickle.UnpicklingError(f"it holds NumPy values of type {str(code)[:40]!r}, which are no numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("a number is described in a way that NumPy does not write")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for an array; `__setstate__` receives what NumPy's own would."""

    __slots__ = ("values",)

    def __setstate__(self, state):
        _, shape, kind, fortran, data = state
        if not isinstance(kind, NumberType) or type(data) is not bytes or any(type(n) is not int for n in shape):
            raise pickle.UnpicklingError("an array is described in a way that NumPy does not write")
        if min(shape, default=0) < 0 or math.prod(shape) * kind.dtype.itemsize != len(data):
            raise pickle.UnpicklingError("an array's bytes do not fit its shape")
        self.values = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if fortran else "C")


class _Reconstruct:
    """Takes the place of `numpy.core.multiarray._reconstruct`."""

    __slots__ = ()

    def __call__(self, *description):
        return _Array()


class Encode(NamedTuple):
    """Takes the place of `_codecs.encode`, by which Python 2 and protocol 2 write bytes."""

    budget: pickle_limits.Budget

    def __call__(self, text, encoding):
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"it holds bytes in the encoding {str(encoding)[:40]!r}")
        self.budget.take(len(text))
        return str.encode(text, "latin1")


class _MakeNumberType:
    """Takes the place of `numpy.dtype`: the class itself stays out of the pickle's reach."""

    __slots__ = ()

    def __call__(self, *arguments):
        return NumberType(*arguments)


_NAMES: dict[tuple[str, str], object] = {
    ("numpy", "dtype"): _MakeNumberType(),
    ("numpy", "ndarray"): None,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Reconstruct() for core in ("core", "_core")},
}


class _ArrayUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes):
        stream = io.BytesIO(data)
        pickle_limits.check(stream)
        super().__init__(stream)
        self._encode = Encode(pickle_limits.Budget(len(data)))

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _NAMES:
            return _NAMES[module, name]
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        raise pickle.UnpicklingError(f"it asks for {f'{module}.{name}'[:80]!r}, which is no NumPy array")

    def persistent_load(self, pid: object) -> object:
        raise pickle.UnpicklingError("it holds a part of another file")


def read_numpy_pickle(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a pickled tree by their dotted paths ("params.Conv_0.kernel"), read-only.

    Raises:
      UserError: a missing or damaged file, or a file that asks for anything but arrays of numbers.
    """
    path = Path(path)
    try:
        tree = _ArrayUnpickler(path.read_bytes()).load()
        arrays: dict[str, np.ndarray] = {}
        _collect(tree, "", arrays, 0, iter(range(_MOST_PARTS)))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Give the path of a checkpoint.") from None
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not a readable pickle of NumPy arrays, or damaged: {reason[:300]}") from None
    return arrays


def _collect(tree: object, prefix: str, arrays: dict[str, np.ndarray], depth: int, parts: Iterator[int]) -> None:
    if depth > 50 or next(parts, None) is None:  # References let a small file describe an endless tree.
        raise pickle.UnpicklingError("its containers are nested too deeply, or hold too much")
    if isinstance(tree, _Array):
        arrays[prefix[:-1]] = tree.values
    elif type(tree) is dict:
        for name, value in tree.items():
            _collect(value, f"{prefix}{name}.", arrays, depth + 1, parts)
    elif type(tree) in (list, tuple):
        for number, value in enumerate(tree):
            _collect(value, f"{prefix}{number}.", arrays, depth + 1, parts)
    elif not (tree is None or isinstance(tree, bool | int | float | str)):
        raise pickle.UnpicklingError("it holds something other than arrays")
