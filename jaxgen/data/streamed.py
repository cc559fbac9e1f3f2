"""Images that are read while training uses them, for data that does not fit into memory: files, or rows of an array.

Both are array-like as `jaxgen.data.image_files.ImageFiles` is (len(), `shape`, `dtype`, indexing), and have
`read(i) -> uint8 [H, W, C]` and `read_many(ids)` for the threads that feed training, `first(n)` for the beginning of
the set, and `streamed`, which tells them from arrays.
"""

import hashlib
import math

import numpy as np

from jaxgen.data import image_options
from jaxgen.data.container import Container
from jaxgen.data.image_files import ImageFiles
from jaxgen.errors import UserError


class StreamedFiles(ImageFiles):
    """Image files of a folder or zip, each brought to the configured channels, crop and size as it is read.

    Args:
      container: the folder or zip.
      names: paths in it, in order.
      where: its name, for messages.
      config: `config.data`; without `channels` all must have those of the first image, without `image_size` its size.
    """

    streamed = True
    _mend = "data.image_size and data.channels do"

    def __init__(self, container: Container, names: list[str], where: str, config):
        self._options = config
        super().__init__(container, names, where, config.channels)

    def first(self, count: int) -> "StreamedFiles":
        """The first `count` images."""
        return StreamedFiles(self._container, self.names[:count], self._where, self._options)

    def read_many(self, ids: np.ndarray) -> np.ndarray:
        """Images `ids`, one after the other on this thread: several threads read at a time."""
        return np.stack([self.read(int(i)) for i in ids])

    def prepared(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels as they are used."""
        return image_options.apply(pixels[None], self._options)[0]


class RowsOfFile:
    """Rows of a mapped array of bytes, read as they are asked for, by any number of threads.

    Pages of a map count as memory of the process that touched them: gigabytes after some thousand random rows. And a
    map whose file was cut short kills the process.

    Args:
      mapped: uint8 [N, ...], as `numpy.load(file, mmap_mode="r")` gives it.

    Raises:
      UserError: the file is in Fortran order, where the bytes of a row lie all over it.
    """

    def __init__(self, mapped: np.memmap):
        self.shape, self._path = mapped.shape, mapped.filename
        self._start, self._row = mapped.offset, math.prod(mapped.shape[1:])
        if not mapped.flags.c_contiguous:
            raise UserError(
                f"{self._path} is in Fortran order and cannot be streamed: save numpy.ascontiguousarray of it, or use "
                "data.streaming=never"
            )

    def __getitem__(self, numbers: np.ndarray) -> np.ndarray:
        """Rows int [n], in that order.

        Raises:
          UserError: the file ends before one of them, or cannot be read any more.
        """
        rows = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        try:
            with open(self._path, "rb", buffering=0) as file:
                for row, number in zip(rows.reshape(len(numbers), -1), numbers, strict=True):
                    file.seek(self._start + int(number) * self._row)
                    if file.readinto(row) != self._row:
                        raise UserError(f"{self._path} ends before image {number}, which it had: restore it")
        except OSError as error:
            raise UserError(f"{self._path} cannot be read any more ({error.strerror}): restore it") from None
        return rows


class StreamedArray:
    """Rows of an array [N, H, W, C] (or [N, H, W]) of bytes that lies in a file, as `StreamedFiles`.

    Args:
      array: its rows.
      numbers: int [n], which rows; in order.
      config: `config.data`.
    """

    streamed = True
    dtype = np.dtype(np.uint8)

    def __init__(self, array: RowsOfFile, numbers: np.ndarray, config):
        self._array, self._numbers, self._options = array, numbers, config
        self.shape = (len(numbers), *self.read(0).shape)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, ids) -> np.ndarray:
        rows = self._array[self._numbers[ids]]
        return image_options.apply(rows.reshape(*rows.shape[:3], -1), self._options)

    def read(self, i: int) -> np.ndarray:
        """Image i."""
        return self[np.array([i])][0]

    def read_many(self, ids: np.ndarray) -> np.ndarray:
        """Images `ids`."""
        return self[ids]

    def first(self, count: int) -> "StreamedArray":
        """The first `count` rows."""
        return StreamedArray(self._array, self._numbers[:count], self._options)

    def digest(self) -> str:
        """SHA-256 of all pixels as they are used."""
        digest = hashlib.sha256(repr(self.shape).encode())
        for first in range(0, len(self), 1024):
            digest.update(self[first : first + 1024])
        return digest.hexdigest()


def identity(images, labels: np.ndarray | None) -> str:
    """A digest of what the files of a split are called (or of its shape) and of its labels; no pixel is read for it."""
    digest = hashlib.sha256(repr(images.shape).encode())
    digest.update("\n".join(getattr(images, "names", ())).encode())
    if labels is not None:
        digest.update(np.ascontiguousarray(labels).data)
    return f"names:{digest.hexdigest()}"
