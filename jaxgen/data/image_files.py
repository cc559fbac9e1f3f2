"""Images that stay in their files and are read on use: files of a folder or zip, or rows of an array in a file.

All classes are array-like: len(), `shape`, `dtype`, indexing. Classes for streamed training also have `read_many(ids)`
for the reading threads, `first(n)` for the beginning of the set, and `streamed`, which no array has.
"""

import contextlib
import copy
import hashlib
import math
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from jaxgen.data import image_options
from jaxgen.data.container import Container, shown
from jaxgen.data.decoding import decoded, header_of, reason_of
from jaxgen.data.reading_report import merged
from jaxgen.errors import UserError

# So many images of a set are decoded for notes on it.
_LOOKED_AT = 16


class ImageFiles:
    """Images of one size in files, uint8 [N, H, W, C]: len(), `shape`, and indexing by an int array or slice.

    Args:
      container: the folder or zip.
      names: ordered paths in the container.
      where: the container's name, for messages.
      channels: 0 keeps the channels of the first image. 1 or 3 converts all images.

    Raises:
      UserError: on opening or indexing, a file is no image, or differs from the first in size or channels.
    """

    dtype = np.dtype(np.uint8)
    _mend = "--channels=1 or 3 converts colours"

    def __init__(self, container: Container, names: list[str], where: str, channels: int = 0):
        self._container, self.names, self._where, self._channels = container, list(names), where, channels
        self._pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        self.shape = (len(self.names), *self._decode(0).shape)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, ids) -> np.ndarray:
        numbers = np.arange(len(self))[ids]
        images = list(self._pool.map(self.read, numbers))
        return np.stack(images) if images else np.zeros((0, *self.shape[1:]), np.uint8)

    def read(self, i: int) -> np.ndarray:
        """Image i, uint8 [H, W, C]."""
        image = self._decode(i)
        if image.shape != self.shape[1:]:
            raise UserError(
                f"{self._where}: images differ: {shown(self.names[0])} is {_described(self.shape[1:])}, "
                f"{shown(self.names[i])} is {_described(image.shape)}. Bring them to one size and mode "
                f"({self._mend})"
            )
        return image

    def prepared(self, pixels: np.ndarray) -> np.ndarray:
        """The type of decoded pixels."""
        return image_options.set_channels(pixels, self._channels or pixels.shape[-1])

    def _decode(self, i: int) -> np.ndarray:
        return self.prepared(self._decoded(i)[0])

    def _decoded(self, i: int) -> tuple[np.ndarray, dict[str, int]]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                return decoded(self._container.read(self.names[i]))
        except Exception as error:  # PIL's decoders and zip raise a dozen types for damaged files.
            name, reason = shown(self.names[i]), reason_of(error)
            raise UserError(f"{self._where}: {name} cannot be read ({reason}). Replace or remove it") from None

    def notes(self) -> dict[str, int]:
        """Notes for `jaxgen.data.reading_report` on a few images. All were too many to decode for a note."""
        return merged(self._pool.map(self._note, np.unique(np.linspace(0, len(self) - 1, _LOOKED_AT).astype(int))))

    def _note(self, i: int) -> dict[str, int]:
        with contextlib.suppress(UserError):  # a damaged image is told when it is used
            return self._decoded(i)[1]
        return {}

    def digest(self) -> str:
        """SHA-256 of the bytes of all files in order, and of the number of channels."""
        digest = hashlib.sha256(f"{self._channels} {len(self)}".encode())
        for name in self.names:
            digest.update(hashlib.sha256(self._container.read(name)).digest())
        return digest.hexdigest()


def _described(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]} {'gray' if shape[2] == 1 else 'RGB'}"


def folder_labels(names: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels int32 [N] by the folder of each file, and the folders' names. None if there is only one folder."""
    parents = [PurePosixPath(name).parent.as_posix() for name in names]
    classes = sorted(set(parents))
    if len(classes) < 2 or "." in classes:
        return None, ()
    number = {name: i for i, name in enumerate(classes)}
    return np.array([number[parent] for parent in parents], np.int32), tuple(classes)


class StreamedFiles(ImageFiles):
    """Image files of a folder or zip. Each is brought to the configured channels, crop and size on reading.

    Args:
      container: the folder or zip.
      names: ordered paths in the container.
      where: the container's name, for messages.
      config: `config.data`. If `channels` or `image_size` is 0, all images must match the first image.
    """

    streamed = True
    _mend = "data.image_size and data.channels do"

    def __init__(self, container: Container, names: list[str], where: str, config):
        self._options = config
        super().__init__(container, names, where, config.channels)

    def first(self, count: int) -> "StreamedFiles":
        """The first `count` images."""
        part = copy.copy(self)
        part.names = self.names[:count]
        part.shape = (count, *self.shape[1:])
        return part

    def in_channels(self, channels: int) -> "StreamedFiles":
        """The same images, converted."""
        part = copy.copy(self)
        part._options = image_options.with_channels(self._options, channels)
        part.shape = (*self.shape[:3], channels)
        return part

    def most_channels(self) -> int:
        """1 if all images are gray, 3 if one of them has colours. Headers tell it, and nothing is decoded.

        Raises:
          UserError: images differ in size, where `image_size` is 0, or a header cannot be read.
        """
        if self._options.image_size and self._options.channels:
            return self._options.channels
        shapes = list(self._pool.map(self._shape_by_header, range(len(self))))
        most = self._options.channels or max((shape[2] for shape in shapes if shape), default=self.shape[3])
        same = self.in_channels(most)
        for i, shape in enumerate(shapes):
            if shape is None or shape[:2] != self.shape[1:3]:
                same.read(i)  # A header can mislead, since a rotation may stand behind the pixels.
        return most

    def _shape_by_header(self, i: int) -> tuple[int, int, int] | None:
        try:
            with self._container.open(self.names[i]) as file:
                return image_options.shape_of(header_of(file), self._options)
        except Exception:  # of as many types as decoding; reading the whole image tells what is wrong
            return None

    def read_many(self, ids: np.ndarray) -> np.ndarray:
        """Images `ids`, read one after the other on this thread. Several threads may read at a time."""
        return np.stack([self.read(int(i)) for i in ids])

    def prepared(self, pixels: np.ndarray) -> np.ndarray:
        """The type of the pixels."""
        return image_options.apply(pixels[None], self._options)[0]


class StreamedArray:
    """Rows of a memory-mapped array uint8 [N, H, W, C] (or [N, H, W]), as `StreamedFiles`. Any thread may read.

    Rows are read from the file, not through the map. Pages of a map count as memory of the process that touches them:
    gigabytes after some thousand random rows. A truncated file would also kill a process that reads its map.

    Args:
      mapped: uint8, from `numpy.load(file, mmap_mode="r")`.
      numbers: int [n], the row of each image.
      config: `config.data`.

    Raises:
      UserError: the file is in Fortran order, which scatters the bytes of a row. On indexing: the file ends before the
        row, or can no longer be read.
    """

    streamed = True
    dtype = np.dtype(np.uint8)

    def __init__(self, mapped: np.memmap, numbers: np.ndarray, config):
        self._path, self._start, self._row = mapped.filename, mapped.offset, mapped.shape[1:]
        self._numbers, self._options = numbers, config
        if not mapped.flags.c_contiguous:
            raise UserError(
                f"{self._path} is in Fortran order and cannot be streamed. Save numpy.ascontiguousarray of it, or use "
                "data.streaming=never"
            )
        self.shape = (len(numbers), *self.read(0).shape)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, ids) -> np.ndarray:
        numbers, size = self._numbers[ids], math.prod(self._row)
        rows = np.empty((len(numbers), size), np.uint8)
        try:
            with open(self._path, "rb", buffering=0) as file:
                for row, number in zip(rows, numbers, strict=True):
                    file.seek(self._start + int(number) * size)
                    if file.readinto(row) != size:
                        raise UserError(f"{self._path} was cut and now ends before image {number}. Restore the file")
        except OSError as error:
            raise UserError(f"{self._path} can no longer be read ({error.strerror}). Restore the file") from None
        return image_options.apply(rows.reshape(len(numbers), *self._row[:2], -1), self._options)

    def read(self, i: int) -> np.ndarray:
        """Image i."""
        return self[np.array([i])][0]

    def read_many(self, ids: np.ndarray) -> np.ndarray:
        """Images `ids`."""
        return self[ids]

    def most_channels(self) -> int:
        """The number of channels of all rows."""
        return self.shape[3]

    def in_channels(self, channels: int) -> "StreamedArray":
        """The same rows, converted."""
        part = copy.copy(self)
        part._options = image_options.with_channels(self._options, channels)
        part.shape = (*self.shape[:3], channels)
        return part

    def notes(self) -> dict[str, int]:
        """No notes: bytes have one meaning."""
        return {}

    def first(self, count: int) -> "StreamedArray":
        """The first `count` rows."""
        part = copy.copy(self)
        part._numbers = self._numbers[:count]
        part.shape = (len(part), *self.shape[1:])
        return part

    def digest(self) -> str:
        """SHA-256 of all pixels."""
        digest = hashlib.sha256(repr(self.shape).encode())
        for first in range(0, len(self), 1024):
            digest.update(self[first : first + 1024])
        return digest.hexdigest()


def identity(images, labels: np.ndarray | None) -> str:
    """A digest of a split's file names (or shape) and labels. No pixel is read."""
    digest = hashlib.sha256(repr(images.shape).encode())
    digest.update("\n".join(getattr(images, "names", ())).encode(errors="surrogateescape"))
    if labels is not None:
        digest.update(np.ascontiguousarray(labels).data)
    return f"names:{digest.hexdigest()}"
