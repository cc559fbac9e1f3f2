"""A folder or zip of images. `jaxgen.data.layouts` says which folders are splits and classes."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from jaxgen.data import layouts
from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.data.container import Container, open_container, shown
from jaxgen.data.image_files import StreamedFiles
from jaxgen.data.image_options import read_images, with_channels
from jaxgen.data.layouts import Listing
from jaxgen.data.reading_report import merged
from jaxgen.errors import UserError


def files(config) -> list[Path]:
    """The zip, or all files of the folder: those that are no images are counted."""
    return files_of(_path(config), lambda name: True)


def load(config) -> Dataset:
    """Images of the configured splits, cropped and resized one by one if `image_size` is set."""
    path = _path(config)
    container = open_container(path)
    return read_listing(layouts.list_images(container, config.test_fraction, str(path)), container, config, path)


def streamed(config):
    """The splits as images that stay in their files, see `jaxgen.data.base.open_dataset`."""
    path = _path(config)
    container = open_container(path)
    return stream_listing(layouts.list_images(container, config.test_fraction, str(path)), container, config, path)


def read_listing(listing: Listing, container: Container, config, path: Path) -> Dataset:
    """Images of the configured splits."""
    splits, skipped, notes = {}, [], []
    wanted = wanted_splits(config, listing.splits)
    for name in wanted:
        names, labels = _entries(listing, name, config)
        read = read_images(names, lambda i, names=names: container.read(names[i]), config, str(path))
        splits[name] = Split(read.images, None if labels is None else labels[read.kept])
        skipped += map(shown, read.skipped)
        notes.append(read.notes)
    info = {"skipped": skipped, "left_out": _left_out(listing, wanted), "notes": merged(notes)}
    return Dataset(path.stem, splits, tuple(map(shown, listing.class_names)), info)


def stream_listing(listing: Listing, container: Container, config, path: Path):
    """The configured splits as images that stay in their files."""
    splits = {}
    wanted = wanted_splits(config, listing.splits)
    for name in wanted:
        names, labels = _entries(listing, name, config)
        splits[name] = StreamedFiles(container, names, str(path), config), labels
    return path.stem, tuple(map(shown, listing.class_names)), splits, {"left_out": _left_out(listing, wanted)}


def _left_out(listing: Listing, wanted: Iterable[str]) -> dict[str, int]:
    """What was not read: files, and images of other splits."""
    unused = {f"images of the split {name}": len(listing.splits[name]) for name in listing.splits if name not in wanted}
    return {**unused, **listing.left_out}


def _entries(listing: Listing, split: str, config) -> tuple[list[str], np.ndarray | None]:
    """Paths and labels. They are limited before reading, so that a trial decodes only its images."""
    entries = listing.splits[split][: config.limit or None]
    labels = None
    if all(label is not None for _, label in entries):
        number = {label: i for i, label in enumerate(listing.class_names)}
        labels = np.array([number[label] for _, label in entries], np.int32)
    return [name for name, _ in entries], labels


def _path(config) -> Path:
    return existing(config, "folder", "the folder or zip file with the images")


def existing(config, source: str, what: str) -> Path:
    """`config.dir` as a path. `source` is the data.name that needs it. `what` describes the right path.

    Raises:
      UserError: the path is empty or does not exist.
    """
    if not config.dir:
        raise UserError(f"data.name={source} needs data.dir: {what}")
    path = Path(config.dir).expanduser()
    if not path.exists():
        raise UserError(f"data.dir={config.dir!r}: there is no such folder or zip file")
    return path


def files_of(path: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """The files that a source reads: the zip `path`, or the wanted files of the folder."""
    return [path / name for name in open_container(path).names if wanted(name)] if path.is_dir() else [path]


def gray(config):
    """`config.data` with one channel if the number of channels is left open. Some X-rays are stored as RGB."""
    return config if config.channels else with_channels(config, 1)
