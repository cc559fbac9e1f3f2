"""Reads `.npz` files that may be damaged or made by others: what is wrong becomes one exception with a short reason."""

import contextlib
import lzma
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

# What NumPy, the zip reader and the decompressors raise for damaged bytes. NumPy reads headers of arrays as Python.
DAMAGE = (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError, EOFError, MemoryError)
DAMAGE += (RuntimeError, SyntaxError, tokenize.TokenError, struct.error, zlib.error, lzma.LZMAError)
DAMAGE += (zipfile.BadZipFile, zipfile.LargeZipFile)


class Damaged(Exception):
    """The file is damaged, or no `.npz`. The message is the reason, in one line."""


class _Arrays(Mapping[str, np.ndarray]):
    """The members of a file that are arrays. NumPy gives the bytes of a member of another kind."""

    def __init__(self, file: np.lib.npyio.NpzFile):
        self._file = file

    def __getitem__(self, name: str) -> np.ndarray:
        array = self._file[name]
        if not isinstance(array, np.ndarray):
            raise Damaged(f"{name[:40]!r} is no array")
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._file)

    def __len__(self) -> int:
        return len(self._file)


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of a `.npz` by name. Each is read when it is asked for. Nothing in the file is run.

    Raises:
      Damaged: also for what the block raises because of the file's content, such as a missing name.
      OSError: the file cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            with warnings.catch_warnings():
                # NumPy warns of headers that Python 2 wrote, and reads them all the same.
                warnings.filterwarnings("ignore", message="Reading .* required additional header parsing")
                arrays = np.load(file, allow_pickle=False)
                if isinstance(arrays, np.ndarray):
                    raise Damaged("a single array, not .npz")
                with arrays:
                    yield _Arrays(arrays)
        except (*DAMAGE, OSError) as error:  # the file is open: a directory leads to places that it does not have
            raise Damaged(reason_of(error)) from None


def shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays in a `.npz` by name, from their headers. No array is read.

    Raises:
      Damaged: as for `opened`. OSError: the file cannot be opened.
    """
    found, headers = {}, {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as members:
                for name in members.namelist():
                    with members.open(name) as member:
                        read = headers.get(np.lib.format.read_magic(member))
                        if read is not None:
                            found[name.removesuffix(".npy")] = read(member)[0]
        except (*DAMAGE, OSError) as error:
            raise Damaged(reason_of(error)) from None
    return found


def reason_of(error: BaseException) -> str:
    """The message of an exception in one short line, or its name if it has no message."""
    return " ".join(str(error).split())[:200] or type(error).__name__
