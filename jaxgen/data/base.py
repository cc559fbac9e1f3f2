"""The data set type of all sources, and `open_dataset`, which turns a config into arrays for the device."""

import logging
import math
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import NamedTuple

import ml_collections
import numpy as np

from jaxgen.data import cache, image_options, reading_report
from jaxgen.data.image_files import identity
from jaxgen.errors import UserError
from jaxgen.settings import lookup

log = logging.getLogger(__name__)
STREAMING = ("auto", "always", "never")


class Split(NamedTuple):
    """One part of a dataset: images or vectors. Type and rank tell which (`is_vectors`).

    images: uint8 [N, H, W, C] with C in {1, 3}, an array or an array-like object (`jaxgen.data.image_files`). Vectors
    are float32 [N, D] in their own units. labels: int32 [N] or None.
    """

    images: np.ndarray
    labels: np.ndarray | None


class Dataset(NamedTuple):
    """Named splits with their class names. `info` names the files and options behind the arrays.

    facts: facts about the data for metrics, by view, such as {"points": {"centres": ..., "std": ...}}. A table has
      {"points": {"columns": [[name, categories, whether it is the label], ...]}} (`jaxgen.data.table`).
    factors: known factors of variation of a split's images, by the split's name: {"test": {"scale": int32 [N], ...}}.
      Their values are whole numbers from 0 on.
    """

    name: str
    splits: Mapping[str, Split]
    class_names: tuple[str, ...]
    info: dict
    facts: Mapping[str, dict] = {}
    factors: Mapping[str, Mapping[str, np.ndarray]] = {}

    def num_classes(self, split: str) -> int:
        """The number of classes of a split, 0 without labels."""
        return 0 if self.splits[split].labels is None else len(self.class_names)

    def factors_of(self, split: str) -> dict[str, np.ndarray] | None:
        """The factors of a split's images, as many as it has after `data.limit`, or None without factors."""
        known, count = self.factors.get(split), len(self.splits[split].images)
        return None if known is None else {name: values[:count] for name, values in known.items()}


def is_vectors(images) -> bool:
    """Whether the examples are vectors float32 [N, D] and not images uint8 [N, H, W, C]."""
    return len(images.shape) == 2 and images.dtype == np.float32


def is_streamed(images) -> bool:
    """Whether the images stay on the disk during training (`jaxgen.data.image_files`)."""
    return getattr(images, "streamed", False)


def wanted_splits(config, available: Iterable[str]) -> list[str]:
    """The splits to load: `train_split` and `test_split`, each once. An empty `test_split` loads no test split.

    Raises:
      UserError: a split of that name is not among `available`.
    """
    available = list(available)
    for key in ("train_split", "test_split"):
        name = config[key]
        if name not in available and (name or key == "train_split"):
            hint, others = "", [other for other in available if other != config.train_split]
            if name == "test" and available == ["train"]:
                hint = ". To evaluate against the training images set data.test_split=train"
            elif key == "test_split" and len(others) == 1:
                hint = f". Set data.test_split={others[0]}"
            raise UserError(f"data.{key}={name!r}: {config.name} has the splits {', '.join(available)}{hint}")
    return list(dict.fromkeys(name for name in (config.train_split, config.test_split) if name))


def open_dataset(config, progress: bool = True) -> Dataset:
    """Loads the source that `config.name` names and brings its images to the configured size and channels.

    Vectors stay as they are, whatever size and channels are configured.

    A source is a module with `load(config) -> Dataset`, which returns images at their native size. `config` has one
    more key there, `progress`. An optional `files(config)` returns the paths that `load` reads. The decoded arrays are
    then cached. An optional `streamed(config)` returns (name, class names, {split: (images of
    `jaxgen.data.image_files`, labels)}, info) for training from the disk. It opens only the first image of a split.

    The log says what was read (`jaxgen.data.reading_report`).

    Args:
      config: `config.data`. `jaxgen/settings/default.py` explains its keys.
      progress: whether downloads and decoding show progress bars.

    Raises:
      UserError: unknown source, split or option, or missing, damaged or unlabelled data.
    """
    image_options.check(config)
    config = ml_collections.ConfigDict(config)
    with config.unlocked():
        config.progress = progress
    # `tfds:<name>` is the source `tfds` with an argument of its own.
    source_name = "tfds" if config.name.startswith("tfds:") else config.name
    source = lookup.module("data", source_name, "data.name")
    if getattr(source, "EMPTY", False):
        return source.load(config)

    def build() -> Dataset:
        return _finish(_checked(source.load(config), config), config)

    dataset = _streamed(config, source)
    if dataset is None and hasattr(source, "files"):
        # The module itself counts as a source file: editing a loader must not leave its old arrays in use.
        dataset = cache.cached(config, source.files(config), source.__file__, build, Dataset, Split)
    elif dataset is None:
        dataset = build()
    wanted_splits(config, dataset.splits)
    dataset = _with_fewer_to_train(dataset, config)
    log.info("data: %s", reading_report.summary(dataset))
    for line in reading_report.warnings_of(dataset.info, config.name):  # a cached set is as incomplete as a new one
        log.warning("data: %s", line)
    if config.labels:
        for name in wanted_splits(config, dataset.splits):
            if dataset.splits[name].labels is None:
                raise UserError(
                    f"data.labels=True, but the split {name!r} of {config.name} {config.dir} has no labels: "
                    "use a source with classes (class subfolders, dataset.json), or set data.labels=False"
                )
    return dataset


def may_stream(config, mib: float) -> bool:
    """Whether to stream `mib` MiB of pixels, by `config.streaming` and the source's abilities.

    Raises:
      UserError: `config.streaming` is no known choice.
    """
    if config.streaming not in STREAMING:
        raise UserError(lookup.unknown("data.streaming", config.streaming, list(STREAMING)))
    return config.streaming == "always" or (config.streaming == "auto" and mib > config.resident_mib)


def _streamed(config, source: ModuleType) -> Dataset | None:
    """The dataset unread, if `config.streaming` has it streamed."""
    if not may_stream(config, math.inf):
        return None
    if not hasattr(source, "streamed"):
        if config.streaming == "always":
            raise UserError(
                f"data.streaming='always': {config.name} is always held in memory. Folders, zips and arrays (folder, "
                "array, covid_radiography, ieee8023) can be streamed"
            )
        return None
    try:
        name, class_names, parts, found = source.streamed(config)
    except UserError:
        if config.streaming == "always":
            raise
        return None  # reading all of it will tell more of what is wrong
    splits = {split: Split(*parts[split]) for split in wanted_splits(config, parts)}
    mib = sum(np.prod(split.images.shape) for split in splits.values()) / 2**20
    if not may_stream(config, mib):
        return None
    if config.streaming == "auto":
        log.info("data: %.0f MiB of pixels exceed data.resident_mib=%d and are streamed", mib, config.resident_mib)
    if config.skip_bad_images:
        raise UserError(
            "data.skip_bad_images=True must read all images before training, but these images are streamed. Remove bad "
            "images, or set data.streaming=never"
        )
    splits = _in_one_shape(splits, config)
    notes = reading_report.merged(split.images.notes() for split in splits.values())
    options = {key: config[key] for key in ("image_size", "channels", "crop", "resize", "limit")}
    hashes = {split: identity(*part) for split, part in splits.items()}
    info = {"files": [], **found, "notes": notes, "options": options, "sha256": hashes, "streamed": True}
    return Dataset(name, splits, tuple(class_names), info)


def _finish(dataset: Dataset, config) -> Dataset:
    """Applies limit, channels, crop and resize to every split and records what was done."""
    splits = {}
    for name, split in dataset.splits.items():
        n = config.limit or len(split.images)
        # A copy of a part, because a view would keep the whole in memory.
        images = split.images[:n].copy() if n < len(split.images) else split.images
        labels = None if split.labels is None else np.array(split.labels[:n], np.int32)
        splits[name] = Split(images if is_vectors(images) else image_options.apply_all(images, config), labels)
    splits = _in_one_shape(splits, config)
    vectors = any(is_vectors(split.images) for split in splits.values())
    keys = ("limit",) if vectors else ("image_size", "channels", "crop", "resize", "limit")
    options = {key: config[key] for key in keys}
    hashes = {name: cache.content_hash(*split) for name, split in splits.items()}
    return dataset._replace(splits=splits, info={"files": [], **dataset.info, "options": options, "sha256": hashes})


def _in_one_shape(splits: Mapping[str, Split], config) -> dict[str, Split]:
    """The splits with equally many channels: RGB for all if `channels` is 0 and one of them is RGB.

    Raises:
      UserError: splits still differ in shape.
    """
    made, most = dict(splits), max(_channels(split.images) for split in splits.values())
    for name, (images, labels) in splits.items():
        if not config.channels and is_streamed(images):
            made[name] = Split(images.in_channels(most), labels)
        elif not config.channels and not is_vectors(images):
            made[name] = Split(image_options.set_channels(images, most), labels)
    shapes = {name: tuple(split.images.shape[1:]) for name, split in made.items()}
    if len(set(shapes.values())) > 1:
        kinds = ", ".join(f"{name} {reading_report.kind_of((0, *shape))}" for name, shape in shapes.items())
        mend = "" if any(len(shape) == 1 for shape in shapes.values()) else ". Set data.image_size"
        raise UserError(f"{config.name} {config.dir}: the splits differ in shape: {kinds}{mend}")
    return made


def _channels(images) -> int:
    return images.most_channels() if is_streamed(images) else images.shape[-1]


def _with_fewer_to_train(dataset: Dataset, config) -> Dataset:
    """The first `train_limit` of the training split; after the cache, whose arrays serve any limit."""
    name, count = config.train_split, config.train_limit
    if not count or count >= len(dataset.splits[name].images):
        return dataset
    images, labels = dataset.splits[name]
    labels = None if labels is None else labels[:count].copy()
    streamed = is_streamed(images)
    split = Split(images.first(count) if streamed else images[:count].copy(), labels)
    info = {**dataset.info, "options": {**dataset.info["options"], "train_limit": count}}
    info["sha256"] = {**info["sha256"], name: identity(*split) if streamed else cache.content_hash(*split)}
    return dataset._replace(splits={**dataset.splits, name: split}, info=info)


def _checked(dataset: Dataset, config) -> Dataset:
    """The dataset as its source loaded it, or an error line: a user's own source can return anything."""
    for name, (images, labels) in dataset.splits.items():
        where = f"data.name={config.name!r}: load() gave the split {name!r}"
        shape = getattr(images, "shape", ())
        vectors = hasattr(images, "dtype") and is_vectors(images)
        pictures = getattr(images, "dtype", None) == np.uint8 and len(shape) == 4 and shape[-1] in (1, 3)
        if not (vectors or pictures) or 0 in shape:
            raise UserError(
                f"{where} images of {getattr(images, 'dtype', type(images).__name__)} {list(shape)}. "
                "They must be uint8 [N, H, W, C] with C 1 or 3 and N at least 1, or vectors float32 [N, D]"
            )
        if vectors and not np.isfinite(images).all():
            raise UserError(f"{where} vectors that are not finite in {int((~np.isfinite(images)).any(1).sum())} rows")
        if vectors and config.flip:
            raise UserError(f"data.flip=True mirrors images, but {config.name} has vectors: set data.flip=False")
        if labels is None:
            continue
        labels = np.asarray(labels)
        if labels.shape != shape[:1] or not np.issubdtype(labels.dtype, np.integer):
            raise UserError(
                f"{where} labels of {labels.dtype} {list(labels.shape)}. They must be integers [{shape[0]}]"
            )
        if labels.min() < 0 or labels.max() >= len(dataset.class_names):
            raise UserError(
                f"{where} labels from {labels.min()} to {labels.max()}. "
                f"They must lie below the number of class names, {len(dataset.class_names)}"
            )
    return dataset
