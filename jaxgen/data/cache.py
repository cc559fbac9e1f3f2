"""Keeps decoded arrays on disk, so that the second run starts without decoding."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from jaxgen.files import caches
from jaxgen.files.workdir import atomic

log = logging.getLogger(__name__)
# Raise it when the same files and options would give other pixels than before.
_FORMAT = 2
# Keys that say where arrays come from, and how they are used; all others, a user's own included, may change pixels.
_PLACES = ("dir", "cache_dir", "download")
_USES = ("labels", "num_classes", "flip", "progress", "train_limit", "streaming", "resident_mib", "workers")
# So many source files are written into `info` one by one; a folder of images only by their count and digest.
_MAX_LISTED = 16


def root(config) -> Path:
    """The cache folder: `config.cache_dir`, or $JAXGEN_CACHE, or ~/.cache/jaxgen."""
    return caches.folder(config.cache_dir)


def content_hash(images: np.ndarray, labels: np.ndarray | None) -> str:
    """SHA-256 of decoded images and labels with their shapes. Equal arrays have equal hashes."""
    digest = hashlib.sha256()
    for array in (images, labels):
        if array is not None:
            digest.update(f"{array.dtype.name}{list(array.shape)}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def cached(config, files: Iterable, module_file: str, build: Callable, dataset_type, split_type):
    """`build()`, or the result of an earlier call with the same files and options, kept under `root(config)/decoded`.

    Args:
      config: `config.data`.
      files: source files. Path, size and modification time of each are part of the key.
      module_file: the loader's own file, part of the key too.
      build: makes the dataset from its sources.
      dataset_type, split_type: `Dataset` and `Split` of `base`, which imports this module.
    """
    sources = [_identity(path) for path in files]
    options = {key: value for key, value in config.to_dict().items() if key not in _PLACES + _USES}
    described = json.dumps([_FORMAT, sources, _identity(module_file), options], sort_keys=True, default=str)
    key = hashlib.sha256(described.encode()).hexdigest()[:20]
    path = root(config) / "decoded" / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', config.name)}-{key}.npz"
    if path.exists():
        try:
            return _read(path, dataset_type, split_type)
        except Exception as error:  # A damaged file fails in any layer: zip, npy header, JSON, hash.
            log.warning("data: %s is damaged (%s: %s). Rebuilding it", path, type(error).__name__, error)
    dataset = build()
    listed = [{"path": name, "bytes": size} for name, size, _ in sources[:_MAX_LISTED]]
    digest = hashlib.sha256(json.dumps(sources).encode()).hexdigest()
    info = {**dataset.info, "files": listed, "file_count": len(sources), "files_digest": digest}
    dataset = dataset._replace(info=info)
    if not caches.can_keep(path.parent):
        return dataset
    try:
        _write(path, dataset)
    except OSError as error:  # A full or read-only disk costs time at the next start, not this run.
        log.warning("data: the decoded arrays cannot be kept in %s (%s)", path, error)
    return dataset


def _identity(path) -> list:
    path = Path(path).absolute()
    try:
        stat = path.stat()
    except OSError:  # A link that leads nowhere. Reading it fails, or leaves it out.
        return [str(path), None, None]
    return [str(path), stat.st_size, stat.st_mtime_ns]


def _read(path: Path, dataset_type, split_type):
    with path.open("rb") as file, np.load(file) as arrays:  # np.load(path) leaks the open file if it is damaged
        meta = json.loads(str(arrays["meta"]))
        splits = {}
        for i, name in enumerate(meta["splits"]):
            labels = arrays.get(f"labels{i}")
            splits[name] = split_type(arrays[f"images{i}"], labels)
            if content_hash(*splits[name]) != meta["info"]["sha256"][name]:
                raise ValueError(f"the hash of {name} does not match")
    return dataset_type(meta["name"], splits, tuple(meta["class_names"]), meta["info"])


def _write(path: Path, dataset) -> None:
    meta = {
        "name": dataset.name,
        "splits": list(dataset.splits),
        "class_names": dataset.class_names,
        "info": dataset.info,
    }
    arrays = {"meta": np.array(json.dumps(meta))}
    for i, split in enumerate(dataset.splits.values()):
        arrays[f"images{i}"] = split.images
        if split.labels is not None:
            arrays[f"labels{i}"] = split.labels
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as file:
        np.savez(file, **arrays)
