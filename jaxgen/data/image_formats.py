"""Which files are images: every still-image format that the installed Pillow reads."""

import functools
from pathlib import PurePosixPath
from typing import BinaryIO

from PIL import Image

# Films, vector graphics and containers of measurements. Pillow knows their files but draws none of them by itself.
_NOT_STILL = {"BUFR", "EPS", "FLI", "GRIB", "HDF5", "MPEG", "WMF"}


@functools.cache
def formats() -> tuple[str, ...]:
    """Pillow's names of the formats, the usual ones first."""
    Image.init()
    return tuple(name for name in Image.ID if name in Image.OPEN and name not in _NOT_STILL)


@functools.cache
def suffixes() -> frozenset[str]:
    """The endings of image files, in lower case and with the dot."""
    read = {*formats(), "MPO"}  # the reader of JPEG opens MPO
    return frozenset(suffix.lower() for suffix, name in Image.registered_extensions().items() if name in read)


def suffix_of(name: str) -> str:
    """The ending of a file name in lower case, "" if it has none."""
    return PurePosixPath(name).suffix.lower()


def is_image(name: str) -> bool:
    """Whether a file name has an ending of images."""
    return suffix_of(name) in suffixes()


def open_image(file: BinaryIO) -> Image.Image:
    """The image in `file`, opened but not yet decoded. The content decides the format, not the name.

    Raises:
      Exception: of many types, if the file is damaged or no image.
    """
    return Image.open(file, formats=formats())
