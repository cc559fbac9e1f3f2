"""`tfds:<name>`: any set of tensorflow-datasets with an image feature. Reading needs no TensorFlow, preparing does."""

import difflib
import importlib.util
from pathlib import Path

import numpy as np

from jaxgen.data import cache
from jaxgen.data.base import Dataset, Split, wanted_splits
from jaxgen.data.image_options import read_images
from jaxgen.data.reading_report import merged
from jaxgen.errors import UserError

# Random access without TensorFlow. Not parquet, the other such format: there 2,000 examples came back as 500.
_FORMAT = "array_record"


def files(config) -> list[Path]:
    """The prepared shards of the splits that the config names. Prepares the set if it is not."""
    builder = _prepared(config)
    return [
        Path(str(p))
        for split in wanted_splits(config, builder.info.splits)
        for p in builder.info.splits[split].filepaths
    ]


def load(config) -> Dataset:
    """Images of the splits that the config names, cropped and resized one by one if `image_size` is set."""
    import tensorflow_datasets as tfds

    builder = _prepared(config)
    image, label = features(builder.info, config.name)
    splits, skipped, notes = {}, [], []
    for name in wanted_splits(config, builder.info.splits):
        # The encoded bytes are taken as they are, so that one reader decodes and judges images of all sources.
        source = builder.as_data_source(name, decoders={image: tfds.decode.SkipDecoding()})
        count = min(config.limit or len(source), len(source))
        labels = np.zeros(count, np.int32)

        def read(i: int, source=source, labels=labels) -> bytes:
            example = source[i]
            if label:
                labels[i] = example[label]
            return example[image]

        found = read_images([f"{name} {i}" for i in range(count)], read, config, config.name)
        splits[name] = Split(found.images, labels[found.kept] if label else None)
        skipped += found.skipped
        notes.append(found.notes)
    class_names = tuple(builder.info.features[label].names) if label else ()
    info = {"version": str(builder.version), "skipped": skipped, "notes": merged(notes)}
    return Dataset(config.name, splits, class_names, info)


def _prepared(config):
    """The builder of the set, prepared; its folder is `config.dir` or `tfds` in the cache."""
    import tensorflow_datasets as tfds

    _, _, name = config.name.partition(":")
    if not name:
        raise UserError("data.name=tfds needs the name of a set, such as tfds:mnist")
    root = Path(config.dir).expanduser() if config.dir else cache.root(config) / "tfds"
    try:
        builder = tfds.builder(name, data_dir=root, file_format=_FORMAT)
    except tfds.core.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        near = difflib.get_close_matches(name.partition("/")[0], known, n=5)
        hint = f"Near it: {', '.join(near)}" if near else "Names are at https://www.tensorflow.org/datasets/catalog"
        raise UserError(f"data.name={config.name!r}: tensorflow-datasets has no set {name!r}. {hint}") from None
    except (ValueError, AssertionError) as error:  # An unknown configuration or version of a known set.
        raise UserError(f"data.name={config.name!r}: {' '.join(str(error).split())}") from None
    if builder.is_prepared():
        if _FORMAT not in {file_format.value for file_format in builder.info.available_file_formats()}:
            raise UserError(
                f"{config.name} is prepared in {builder.data_path} as {builder.info.file_format.value}, without "
                f"random access. Give another data.dir, where it is prepared as {_FORMAT}"
            )
        return builder
    if not config.download:
        raise UserError(f"{config.name} is not prepared in {root} and data.download=False. Set data.download=True")
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            f"{config.name} is not prepared in {root}, and preparing it needs TensorFlow: pip install 'jaxgen[tfds]' "
            "(reading it afterwards does not)"
        )
    # Archives that have to be fetched by hand, or that were, are found in tensorflow-datasets' own place for them.
    manual = root / "downloads" / "manual"
    settings = tfds.download.DownloadConfig(manual_dir=manual)
    try:
        builder.download_and_prepare(download_dir=root / "downloads", download_config=settings, file_format=_FORMAT)
    except Exception as error:  # Builders fail in their own ways: network, checksums, missing manual files, packages.
        reason = " ".join(str(error).split())[:500] or type(error).__name__
        raise UserError(f"preparing {config.name} failed: {reason} (archives got by hand go into {manual})") from error
    return builder


def features(info, name: str) -> tuple[str, str | None]:
    """Keys of the image and of the class label (None: there is none) among a builder's features.

    Raises:
      UserError: no image feature, or several and none called "image".
    """
    import tensorflow_datasets as tfds

    known = dict(info.features.items()) if hasattr(info.features, "items") else {}
    images = [key for key, feature in known.items() if isinstance(feature, tfds.features.Image)]
    labels = [key for key, feature in known.items() if isinstance(feature, tfds.features.ClassLabel)]
    if not images:
        raise UserError(f"data.name={name}: this set has no image feature. Its features: {', '.join(known) or 'none'}")
    if len(images) > 1 and "image" not in images:
        raise UserError(f"data.name={name}: this set has several images an example ({', '.join(images)}). Give one set")
    label = "label" if "label" in labels else (labels[0] if len(labels) == 1 else None)
    return "image" if "image" in images else images[0], label
