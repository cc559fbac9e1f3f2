"""IDX files, the format of MNIST and Fashion-MNIST: a big-endian header, then bytes."""

import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np

from jaxgen.data import download
from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.errors import UserError

_PREFIX = {"train": "train", "test": "t10k"}
_SUFFIX = ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")
_GZIP_MAGIC = b"\x1f\x8b"


def read(path: Path, dimensions: int) -> np.ndarray:
    """A uint8 array with `dimensions` dimensions from an IDX file, gzipped or plain.

    Raises:
      UserError: the file is no such file, is truncated, or is longer than its header says.
    """
    magic = bytes([0, 0, 8, dimensions])  # 8: unsigned bytes
    start = 4 + 4 * dimensions
    data = _unpacked(path, start)
    if data[:4] != magic or len(data) < start:
        raise UserError(
            f"{path} is no IDX file of {dimensions} dimensions: it starts with {data[:4].hex()}, not {magic.hex()}"
        )
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, 4))
    if 0 in shape:
        raise UserError(f"{path} holds nothing: its header says {list(shape)}. Replace it by a whole copy")
    if len(data) - start != math.prod(shape):  # Python's own numbers, since 64 bits would overflow
        raise UserError(
            f"{path} is truncated or damaged: it has {len(data) - start} bytes, but its header says {list(shape)}. "
            "Replace it by a whole copy"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _unpacked(path: Path, start: int) -> bytes:
    """The file's bytes. Of a gzipped one no more than its header of `start` bytes says, and one byte to tell."""
    packed = path.read_bytes()
    if packed[:2] != _GZIP_MAGIC:
        return packed
    try:
        with gzip.open(io.BytesIO(packed)) as file:
            head = file.read(start)
            size = math.prod(int(n) for n in np.frombuffer(head[4:], ">u4", (len(head) - 4) // 4)) if head[4:] else 0
            # gzip packs at most 1,032 bytes into one. A header that claims more is damaged.
            return head + file.read(min(size, 1032 * len(packed)) + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path} is truncated or damaged ({error}). Replace it by a whole copy") from None


def files(config, listing: str) -> dict[str, list[Path]]:
    """Paths of images and labels of the configured splits. Missing files are downloaded."""
    archives = download.published(listing)
    paths = {}
    for split in wanted_splits(config, _PREFIX):
        names = [f"{_PREFIX[split]}-{suffix}" for suffix in _SUFFIX]
        paths[split] = [download.locate(config, archives[name], (name.removesuffix(".gz"),)) for name in names]
    return paths


def dataset(config, listing: str, class_names: tuple[str, ...]) -> Dataset:
    """The configured splits, images uint8 [N, H, W, 1]."""
    splits = {}
    for split, (image_path, label_path) in files(config, listing).items():
        images, labels = read(image_path, 3), read(label_path, 1)
        if len(images) != len(labels):
            raise UserError(f"{image_path} holds {len(images)} images, but {label_path} holds {len(labels)} labels")
        if len(labels) and labels.max() >= len(class_names):
            raise UserError(f"{label_path} holds the label {labels.max()}. There are {len(class_names)} classes")
        splits[split] = Split(images[..., None], labels.astype(np.int32))
    return Dataset(config.name, splits, class_names, {})
