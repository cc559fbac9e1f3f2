"""A folder or zip of images: class subfolders, split folders, dataset.json or just files.

If `data.dir` holds a single folder with all images, that folder counts. Layouts, in the order of the search:

- `dataset.json` with {"labels": [["00000/img00000000.png", 6], ...]} or {"labels": null}, as StyleGAN's tools write it.
- Split folders (train, test, val, valid, validation), each with class subfolders or plain images.
- Class subfolders, with images at any depth. Labels follow the sorted names of the classes.
- Plain images, without labels.

Without split folders (or with `train` alone), the last `test_fraction` of each class, by path, is the test set.
Neighbouring names often show the same subject. A block separates fewer such images than a random choice would.
Images of a split are interleaved by class: each beginning of a split has the class proportions of the whole split.
"""

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.data.container import IMAGE_SUFFIXES, Container, open_container
from jaxgen.data.image_files import StreamedFiles
from jaxgen.data.image_options import read_images
from jaxgen.errors import UserError

_SPLIT_FOLDERS = ("train", "test", "val", "valid", "validation")


class Listing(NamedTuple):
    """Image paths and their class names (None: unlabelled) by split."""

    splits: dict[str, list[tuple[str, str | None]]]
    class_names: tuple[str, ...]


def files(config) -> list[Path]:
    """The zip, or all images of the folder and its dataset.json."""
    return files_of(_path(config), lambda name: is_image(name) or name.endswith("dataset.json"))


def load(config) -> Dataset:
    """Images of the configured splits, cropped and resized one by one if `image_size` is set."""
    path = _path(config)
    container = open_container(path)
    return read_listing(list_images(container, config.test_fraction, str(path)), container, config, path)


def streamed(config):
    """The splits as images that stay in their files, see `jaxgen.data.base.open_dataset`."""
    path = _path(config)
    container = open_container(path)
    return stream_listing(list_images(container, config.test_fraction, str(path)), container, config, path)


def read_listing(listing: Listing, container: Container, config, path: Path) -> Dataset:
    """Images of the configured splits."""
    splits, skipped = {}, []
    for name in wanted_splits(config, listing.splits):
        names, labels = _entries(listing, name, config)
        images, kept, bad = read_images(names, lambda i, names=names: container.read(names[i]), config, str(path))
        splits[name] = Split(images, None if labels is None else labels[kept])
        skipped += bad
    return Dataset(path.stem, splits, listing.class_names, {"skipped": skipped})


def stream_listing(listing: Listing, container: Container, config, path: Path):
    """The configured splits as images that stay in their files."""
    splits = {}
    for name in wanted_splits(config, listing.splits):
        names, labels = _entries(listing, name, config)
        splits[name] = StreamedFiles(container, names, str(path), config), labels
    return path.stem, listing.class_names, splits


def _entries(listing: Listing, split: str, config) -> tuple[list[str], np.ndarray | None]:
    """Paths and labels. They are limited before reading, so that a trial decodes only its images."""
    entries = listing.splits[split][: config.limit or None]
    labels = None
    if all(label is not None for _, label in entries):
        number = {label: i for i, label in enumerate(listing.class_names)}
        labels = np.array([number[label] for _, label in entries], np.int32)
    return [name for name, _ in entries], labels


def list_images(container: Container, test_fraction: float, where: str) -> Listing:
    """The images of each split and their classes, by the layouts above.

    Raises:
      UserError: no images, or an ambiguous layout.
    """
    images = [name for name in container.names if is_image(name)]
    if not images:
        raise UserError(f"{where} holds no images with the endings {' '.join(IMAGE_SUFFIXES)}")
    for name in container.names:
        if name.split("/")[-1] == "dataset.json" and all(image.startswith(name[:-12]) for image in images):
            labelled = _from_json(container, name, images, where)
            highest = max((int(label) for _, label in labelled if label is not None), default=-1)
            return carve(labelled, tuple(str(i) for i in range(highest + 1)), test_fraction)
    root = _common_root(images)
    folder = PurePosixPath(root).name.lower()
    if folder in _SPLIT_FOLDERS and folder != "train":  # It was stepped into: these images are that split and no other.
        labelled = _classes(images, root, where)
        return Listing({folder: interleave(labelled)}, _names(labelled))
    tops = {name[len(root) :].split("/")[0] if "/" in name[len(root) :] else "" for name in images}
    named = {top for top in tops if top.lower() in _SPLIT_FOLDERS}
    if len(named) < 2:
        labelled = _classes(images, root, where)
        return carve(labelled, _names(labelled), test_fraction)
    if named != tops:
        others = ", ".join(sorted(top or "loose images" for top in tops - named))
        raise UserError(
            f"{where} has split folders ({', '.join(sorted(named))}) and also {others}. Move the latter out"
        )
    splits = {}
    for top in sorted(named, key=lambda top: _SPLIT_FOLDERS.index(top.lower())):
        base = f"{root}{top}/"
        splits[top.lower()] = _classes([name for name in images if name.startswith(base)], base, where)
    return _checked_splits(splits, where)


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
    if config.channels:
        return config
    config = ConfigDict(config)
    config.channels = 1
    return config


def is_image(name: str) -> bool:
    """Whether a file name has an ending of images."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def _common_root(images: list[str]) -> str:
    """The folder that holds all images, "" or ending in "/", at most down to a split folder."""
    parts = [PurePosixPath(name).parent.parts for name in (images[0], images[-1])]
    common = []
    for first, last in zip(*parts, strict=False):  # Sorted, so what the outermost two share all share.
        if first != last:
            break
        common.append(first)
        if first.lower() in _SPLIT_FOLDERS:  # What lies below are its classes, be it a single one.
            break
    return "".join(f"{part}/" for part in common)


def _classes(images: list[str], root: str, where: str) -> list[tuple[str, str | None]]:
    """Images below `root` with the subfolder they lie in as their class; None for all if there are no subfolders."""
    inner = [name[len(root) :] for name in images]
    outside = [name for name in inner if "/" not in name]
    if outside and len(outside) < len(inner):
        raise UserError(
            f"{where}: {len(outside)} images lie beside the class folders of {root or 'the top'}, "
            f"such as {outside[0]}. Move them into a class, or all images into one folder"
        )
    return [(name, None if outside else short.split("/")[0]) for name, short in zip(images, inner, strict=True)]


def _names(labelled: list[tuple[str, str | None]]) -> tuple[str, ...]:
    return tuple(sorted({label for _, label in labelled if label is not None}))


def _checked_splits(splits: dict[str, list], where: str) -> Listing:
    """The splits with the class names of the training set, which must know every class of the others."""
    first = next(iter(splits))
    known = _names(splits[first])
    for name, labelled in splits.items():
        if unknown := sorted(set(_names(labelled)) - set(known)):
            raise UserError(f"{where}: {name} has classes that {first} lacks: {', '.join(unknown[:5])}")
    return Listing({name: interleave(labelled) for name, labelled in splits.items()}, known)


def carve(labelled: list[tuple[str, str | None]], names: tuple[str, ...], test_fraction: float) -> Listing:
    """Splits "train" and "test". The last `test_fraction` of each class, at least one image, is the test split."""
    train, test = [], []
    for label in names or (None,):
        members = [entry for entry in labelled if entry[1] == label]
        held = max(1, round(len(members) * test_fraction)) if test_fraction and len(members) > 1 else 0
        train += members[: len(members) - held]
        test += members[len(members) - held :]
    splits = {"train": interleave(train)}
    if test:
        splits["test"] = interleave(test)
    return Listing(splits, names)


def interleave(labelled: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """Entries sorted by relative place within their class. Every beginning has the class balance of the whole."""
    members: dict = {}
    for entry in sorted(labelled, key=lambda entry: entry[0]):
        members.setdefault(entry[1], []).append(entry)
    placed = [
        ((i + 0.5) / len(group), label or "", entry)
        for label, group in members.items()
        for i, entry in enumerate(group)
    ]
    return [entry for _, _, entry in sorted(placed)]


def _from_json(container: Container, path: str, images: list[str], where: str) -> list[tuple[str, str | None]]:
    """Images with classes from the dataset.json at `path`: whole numbers, by path relative to the file."""
    source, base = f"{where}: {path}", path.removesuffix("dataset.json")
    try:
        labels = json.loads(container.read(path))["labels"]
        classes = None if labels is None else {base + name: label for name, label in labels}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{source} is not {{"labels": [["name.png", 6], ...] or null}} ({error!r})') from None
    if classes is None:
        return [(name, None) for name in images]
    if wrong := [name for name, label in classes.items() if type(label) is not int or label < 0]:
        raise UserError(
            f"{source} gives {wrong[0]} the label {classes[wrong[0]]!r}. Labels must be whole numbers from 0"
        )
    if missing := [name for name in images if name not in classes]:
        raise UserError(f"{source} has no label for {len(missing)} images, such as {missing[0]}")
    return [(name, str(classes[name])) for name in images]
