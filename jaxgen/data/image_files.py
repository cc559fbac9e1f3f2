"""Image files of a folder or zip as one array-like set that is read as it is used, never whole."""

import hashlib
import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from jaxgen.data import image_options
from jaxgen.data.container import Container
from jaxgen.errors import UserError


class ImageFiles:
    """Equal-sized images behind their files, uint8 [N, H, W, C]: len(), `shape`, and indexing by an int array or slice.

    Args:
      container: the folder or zip.
      names: paths in it, in order.
      where: its name, for messages.
      channels: 0: as the first image has; 1 or 3: all are converted.

    Raises:
      UserError: at indexing too: a file that is no image, or differs from the first in size or channels.
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
                f"{self._where}: images differ: {self.names[0]} is {_described(self.shape[1:])}, "
                f"{self.names[i]} is {_described(image.shape)}; bring them to one size and mode "
                f"({self._mend})"
            )
        return image

    def prepared(self, pixels: np.ndarray) -> np.ndarray:
        """Decoded pixels as they are used."""
        return image_options.set_channels(pixels, self._channels or pixels.shape[-1])

    def _decode(self, i: int) -> np.ndarray:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(self._container.read(self.names[i]))) as image:
                    pixels = image_options.from_pil(image)
        except Exception as error:  # PIL's decoders and zip raise a dozen types for damaged files.
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"{self._where}: {self.names[i]} cannot be read ({reason}); replace or remove it") from None
        return self.prepared(pixels)

    def digest(self) -> str:
        """SHA-256 of all files' bytes in order, and of the channels they are read with."""
        digest = hashlib.sha256(f"{self._channels} {len(self)}".encode())
        for name in self.names:
            digest.update(hashlib.sha256(self._container.read(name)).digest())
        return digest.hexdigest()


def _described(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]} {'gray' if shape[2] == 1 else 'RGB'}"


def folder_labels(names: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels int32 [N] by the folder that each file lies in, and the folders' names; None if there is but one."""
    parents = [PurePosixPath(name).parent.as_posix() for name in names]
    classes = sorted(set(parents))
    if len(classes) < 2 or "." in classes:
        return None, ()
    number = {name: i for i, name in enumerate(classes)}
    return np.array([number[parent] for parent in parents], np.int32), tuple(classes)
