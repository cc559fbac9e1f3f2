"""CIFAR-10, 50,000 + 10,000 photographs, 32x32 RGB, from cifar-10-binary.tar.gz or the folder unpacked from it."""

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from jaxgen.data import download
from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.errors import UserError

_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BATCHES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
_FOLDER = "cifar-10-batches-bin"
# What is known without the files, for --mode=plan.
EXAMPLES = {"side": 32, "channels": 3, "classes": 10, "train": 50_000, "test": 10_000}
_RECORD = 1 + 3 * 32 * 32  # label, then the red, green and blue planes
_LARGEST = 50_000 * _RECORD


def files(config) -> list[Path]:
    """The archive, or the unpacked batches of the splits that the config names."""
    names = [name for split in wanted_splits(config, _BATCHES) for name in _BATCHES[split]]
    folder = download.data_dir(config)
    for unpacked in (folder, folder / _FOLDER, folder / config.name / _FOLDER) if folder else ():
        if all((unpacked / name).is_file() for name in names):
            return [unpacked / name for name in names]
    archive = download.published("url_checksums/cifar10.txt")["cifar-10-binary.tar.gz"]
    return [download.locate(config, archive)]


def load(config) -> Dataset:
    """Images uint8 [N, 32, 32, 3] in splits "train" and "test"."""
    splits = wanted_splits(config, _BATCHES)
    paths = files(config)
    if len(paths) == 1 and paths[0].suffix != ".bin":
        batches = _from_archive(paths[0], [name for split in splits for name in _BATCHES[split]])
    else:
        batches = {path.name: _batch(path.read_bytes(), str(path)) for path in paths}
    parts = {}
    for split in splits:
        images, labels = zip(*(batches[name] for name in _BATCHES[split]), strict=True)
        parts[split] = Split(np.concatenate(images), np.concatenate(labels))
    return Dataset("cifar10", parts, _CLASSES, {})


def _from_archive(path: Path, names: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Batches by file name, read as a stream: nothing is unpacked to disk, so no member's path matters."""
    batches = {}
    try:
        with gzip.open(path) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    name = PurePosixPath(member.name).name
                    if name in names and member.isfile():
                        if member.size > _LARGEST:
                            raise UserError(f"{path}: {name} has {member.size:,} bytes, more than a batch of CIFAR-10")
                        batches[name] = _batch(archive.extractfile(member).read(), f"{path}: {name}")
            # gzip compares its checksum at the end only, which lies beyond the last member.
            while stream.read(1 << 20):
                pass
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path} is truncated or damaged ({error}). Replace it by a whole copy") from None
    if missing := [name for name in names if name not in batches]:
        raise UserError(f"{path} lacks {', '.join(missing)}. It must be CIFAR-10's binary version")
    return batches


def _batch(data: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    if not data or len(data) % _RECORD:
        raise UserError(f"{where} is truncated or damaged: {len(data)} bytes, no multiple of the {_RECORD} of a record")
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    labels = records[:, 0].astype(np.int32)
    if labels.max() >= len(_CLASSES):
        raise UserError(f"{where} holds the label {labels.max()}. It is no batch of CIFAR-10's binary version")
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels
