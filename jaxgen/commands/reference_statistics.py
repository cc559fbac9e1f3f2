"""The work of `python -m jaxgen.statistics`: makes feature statistics of splits, or lists those that there are."""

import argparse
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from ml_collections import ConfigDict

from jaxgen.data.base import is_vectors, open_dataset
from jaxgen.data.cache import root
from jaxgen.devices import parallel, placement
from jaxgen.errors import UserError
from jaxgen.files import outputs
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.extractors.statistics_file import Mismatch
from jaxgen.metrics.image_set import ImageSet, ImageSource
from jaxgen.metrics.selection import Extractors
from jaxgen.metrics.streaming import ExampleStream
from jaxgen.settings import default, lookup, run_config

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> str:
    """Makes what the flags of `jaxgen.statistics` ask for. Statistics that are there already are not made again.

    Returns:
      A line for each split, or the list of all statistics in the folder of caches.

    Raises:
      UserError: bad input.
    """
    folder = root(ConfigDict({"cache_dir": arguments.cache_dir})) / "statistics"
    if not (arguments.data or arguments.config):
        if arguments.out or arguments.split:
            raise UserError("--data or --config is missing. Name a data set, such as --data cifar10")
        return _listed(folder)
    _check(arguments)
    wanted = list(_splits(arguments))
    if arguments.out and len(wanted) > 1:
        raise UserError(f"--out={arguments.out} is one file, but {len(wanted)} splits are named. Leave --out out")
    mesh = parallel.make_mesh(0)
    if arguments.batch_size % mesh.size:
        mesh = parallel.make_mesh(1)
    settings = {"extractor": arguments.extractor, "resize": arguments.resize}
    extractors, lines = Extractors(ConfigDict(settings)), []
    for data, split in wanted:
        images = ImageSet(
            _opened(data, split),
            extractors,
            ExampleStream(arguments.batch_size, sys.stderr.isatty()),
            lambda batch: placement.place(mesh, batch),
            folder,
        )
        lines.append(_made(images, extractors, arguments.out))
    return "\n".join(lines)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.data and arguments.config:
        raise UserError("--data and --config conflict. Name data sets, or one experiment")
    if arguments.config and (arguments.image_size or arguments.channels):
        raise UserError("--image_size and --channels are for --data. With --config the experiment decides")
    if arguments.batch_size < 1 or arguments.image_size < 0:
        raise UserError("--batch_size must be at least 1, and --image_size at least 0")
    if arguments.out is not None:
        outputs.check_file(arguments.out, "--out")
    for name in arguments.data:
        known = lookup.choices("data")
        if name not in known and not name.startswith("tfds:") and "." not in name:
            raise UserError(lookup.unknown("--data", name, known))


def _splits(arguments: argparse.Namespace) -> Iterator[tuple[ConfigDict, str]]:
    """The settings of the data, and the name of a split, of each of the statistics that are asked for."""
    if arguments.config:
        config = run_config.load(arguments.config, [])
        if "entries" in config:
            names = ", ".join(sorted({entry.config for entry in config.entries.values()}))
            raise UserError(f"--config={arguments.config} is a study. Name an experiment of it: {names}")
        data = config.data.copy_and_resolve_references().unlock()
        data.dir, data.cache_dir = arguments.data_dir or data.dir, arguments.cache_dir or data.cache_dir
        yield from ((data, split) for split in arguments.split or [data.test_split])
        return
    for name in arguments.data:
        for split in arguments.split or ["test"]:
            data = default.get_config().data.unlock()
            data.update({"name": name, "dir": arguments.data_dir, "cache_dir": arguments.cache_dir})
            data.update({"image_size": arguments.image_size, "channels": arguments.channels})
            data.update({"train_split": split, "test_split": ""})
            yield data, split


def _opened(data: ConfigDict, split: str) -> ImageSource:
    dataset = open_dataset(data, progress=sys.stderr.isatty())
    if split not in dataset.splits:
        raise UserError(lookup.unknown("--split", split, sorted(dataset.splits)))
    images, labels = dataset.splits[split]
    if is_vectors(images):
        raise UserError(f"{data.name} has vectors. Statistics are of the features of images")
    return ImageSource(images, labels, dataset.class_names, f"{data.name}:{split}")


def _made(images: ImageSet, extractors: Extractors, out: Path | None) -> str:
    chosen = extractors.chosen
    kept = images.kept_at(chosen)
    there = kept.exists()
    # KID, precision, recall and others need every image's features. The same pass makes both, for sets that are kept.
    if images.keeps_features(chosen):
        there = there and images.missing(chosen, "features") == 0
        images.features(chosen)
    statistics = images.statistics(chosen)
    if out is not None:
        statistics_file.save(out, statistics, images.metadata(extractors(chosen)))
    where = [str(path) for path in (kept, out) if path is not None and path.exists()]
    network = extractors(chosen).label or chosen
    state = "was there" if there else "made"
    return f"{images.split}: {statistics.n:,} images through {network}, {state}: {' and '.join(where) or 'not kept'}"


def _listed(folder: Path) -> str:
    lines = [f"Statistics in {folder}:"]
    for path in sorted(folder.glob("reference_*.npz")):
        unfinished = path.name.endswith(".part.npz")
        try:
            if unfinished:
                with statistics_file.arrays_of(path) as arrays:
                    lines.append(f"{path.name}: unfinished, after {int(arrays['n']):,} images")
                continue
            known = statistics_file.load(path).metadata
        except (Mismatch, OSError) as error:
            lines.append(f"{path.name}: cannot be used ({error})")
            continue
        about = f"{known['split']}, {known['n']:,} images" if known else "of unknown images"
        lines.append(f"{path.name}: {about}, {known['extractor']} ({known['resize']})" if known else about)
    return "\n".join(lines if len(lines) > 1 else [*lines, "none yet. --data NAME makes some"])
