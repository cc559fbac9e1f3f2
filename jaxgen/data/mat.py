"""Reads arrays of numbers from MATLAB's `.mat` files of version 5 (format "Level 5", MathWorks: MAT-File Format).

SciPy's reader ends the whole process at some damaged files. This reader checks every size before it uses it. It reads
real arrays of numbers, which is all that SVHN's files hold. Other variables are left out.
"""

import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen.errors import UserError

_HEADER = 128
_COMPRESSED, _MATRIX, _INT8, _INT32, _UINT32 = 15, 14, 1, 5, 6
# How numbers are stored, by the type of an element, and what MATLAB means by them, by the class of an array.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x800  # of the flags of an array


class _Element(NamedTuple):
    kind: int
    data: memoryview


class _Damage(Exception):
    pass


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays by name, in MATLAB's order of axes.

    Raises:
      UserError: a missing or damaged file, or another version.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return _arrays(data)
    except (_Damage, zlib.error) as error:
        raise UserError(f"{path} is truncated or damaged ({error}). Replace it by a whole copy") from None


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    order = {b"IM": "<", b"MI": ">"}.get(data[126:_HEADER])
    if order is None:
        raise _Damage("it does not start as a .mat file of version 5")
    arrays, rest = {}, memoryview(data)[_HEADER:]
    while len(rest):
        element, rest = _next(rest, order, padded=False)
        if element.kind == _COMPRESSED:
            element = _inflated(element.data, order)
        if element.kind == _MATRIX:
            name, array = _array(element.data, order)
            if array is not None:
                arrays[name] = array
    return arrays


def _next(data: memoryview, order: str, padded: bool = True) -> tuple[_Element, memoryview]:
    """The first element, and what follows it. Elements in an array fill up to 8 bytes."""
    if len(data) < 8:
        raise _Damage("an element has no header")
    kind, size = (int(number) for number in np.frombuffer(data, f"{order}u4", 2))
    if kind >> 16:  # a small one, whose header holds it
        kind, size = kind & 0xFFFF, kind >> 16
        if size > 4:
            raise _Damage("a small element has more than 4 bytes")
        return _Element(kind, data[4 : 4 + size]), data[8:]
    if size > len(data) - 8:
        raise _Damage(f"an element of {size} bytes has {len(data) - 8}")
    end = 8 + size + (-size % 8 if padded else 0)
    return _Element(kind, data[8 : 8 + size]), data[end:]


def _inflated(data: memoryview, order: str) -> _Element:
    """The element in a compressed one. No more is unpacked than its own header says."""
    stream = zlib.decompressobj()
    head = stream.decompress(data, 8)
    if len(head) < 8:
        raise _Damage("a compressed element has no header")
    kind, size = (int(number) for number in np.frombuffer(head, f"{order}u4", 2))
    inner = stream.decompress(stream.unconsumed_tail, size) if size else b""
    stream.decompress(stream.unconsumed_tail, 1)  # so that the checksum at the end is compared
    if len(inner) != size or not stream.eof:
        raise _Damage(f"a compressed element of {size} bytes has {len(inner)}")
    return _Element(kind, memoryview(inner))


def _array(data: memoryview, order: str) -> tuple[str, np.ndarray | None]:
    """Name and values of an array, or None in place of values that are no real numbers."""
    flags, data = _next(data, order)
    shape, data = _next(data, order)
    name, data = _next(data, order)
    if [flags.kind, len(flags.data), shape.kind, name.kind] != [_UINT32, 8, _INT32, _INT8] or len(shape.data) % 4:
        raise _Damage("an array is described in a way that MATLAB does not write")
    label = bytes(name.data).decode("latin-1")
    flag = int(np.frombuffer(flags.data, f"{order}u4", 1)[0])
    meaning = _CLASSES.get(flag & 0xFF)
    if meaning is None or flag & _COMPLEX:
        return label, None
    values, _ = _next(data, order)
    axes = [int(n) for n in np.frombuffer(shape.data, f"{order}i4")]
    stored = _STORED.get(values.kind)
    if stored is None or min(axes, default=0) < 0 or math.prod(axes) * int(stored[1]) != len(values.data):
        raise _Damage(f"the array {label[:40]!r} does not fill its shape {axes[:8]}")
    if len(axes) > 32:
        raise _Damage(f"the array {label[:40]!r} has {len(axes)} axes")
    array = np.frombuffer(values.data, f"{order}{stored}").reshape(axes, order="F")
    return label, array.astype(meaning, order="K", copy=False)
