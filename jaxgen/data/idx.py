"""IDX files, the format of MNIST and Fashion-MNIST: a big-endian header, then bytes."""

import gzip
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
    data = path.read_bytes()
    if data[:2] == _GZIP_MAGIC:
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise UserError(f"{path} is truncated or damaged ({error}). Replace it by a whole copy") from None
    magic = bytes([0, 0, 8, dimensions])  # 8: unsigned bytes
    start = 4 + 4 * dimensions
    if data[:4] != magic or len(data) < start:
        raise UserError(
            f"{path} is no IDX file of {dimensions} dimensions: it starts with {data[:4].hex()}, not {magic.hex()}"
        )
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, 4))
    if len(data) - start != np.prod(shape, dtype=np.int64):
        raise UserError(
            f"{path} is truncated or damaged: it has {len(data) - start} bytes, but its header says {list(shape)}. "
            "Replace it by a whole copy"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


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
