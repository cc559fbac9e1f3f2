"""Opens the sources that `--real`, `--fake` and `--train` of `jaxgen.evaluate` name: images, statistics, runs."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np

from jaxgen.data import image_options, layouts, npy_file, reading_report
from jaxgen.data.base import is_vectors, open_dataset
from jaxgen.data.class_numbers import labels_of
from jaxgen.data.container import open_container, shown
from jaxgen.data.image_files import ImageFiles, folder_labels
from jaxgen.data.image_formats import is_image
from jaxgen.errors import UserError
from jaxgen.evaluation import latent_samplers
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.image_set import ImageSource, Pixels
from jaxgen.runs import restoring, run_views
from jaxgen.runs.source_names import array_of_examples, find
from jaxgen.settings import default
from jaxgen.views.views import in_batches

log = logging.getLogger(__name__)


class Options(NamedTuple):
    """Options for reading sources.

    channels: 0 keeps the channels. samples: number of samples of a run, made batch_size at a time on num_devices (0:
    all). latent_sampler: source of the latents (prior, or a fitted density).
    """

    channels: int = 0
    data_dir: str = ""
    cache_dir: str = ""
    samples: int = 10_000
    batch_size: int = 100
    num_devices: int = 0
    seed: int = 0
    checkpoint: str = "latest"
    latent_sampler: str = "prior"


class Opens(Protocol):
    """An already opened source in place of its name. `str()` names it in records and error lines."""

    @property
    def is_of_vectors(self) -> bool: ...

    def open(self, options: Options, flag: str) -> ImageSource: ...


class GivenArray:
    """Images uint8 [N, H, W, C], or vectors float32 [N, D], as a source."""

    def __init__(self, images: np.ndarray):
        self._images = images

    def __str__(self) -> str:
        return f"array of {self._images.dtype} {list(self._images.shape)}"

    @property
    def is_of_vectors(self) -> bool:
        return is_vectors(self._images)

    def open(self, options: Options, flag: str) -> ImageSource:
        return ImageSource(_checked(self._images, f"{flag}={self}", options), split=str(self))


def open_source(spec: str | Opens, options: Options, flag: str) -> ImageSource:
    """Opens `spec`, a name or an opened source.

    Args:
      flag: "--real" and so on, for error lines.

    Raises:
      UserError: it names no source, or something unreadable.
    """
    if not isinstance(spec, str):
        return spec.open(options, flag)
    place = find(spec, flag)
    if place.kind == "run":
        return open_run(place.path, options, flag)
    if place.kind == "dataset":
        return _dataset(str(place.path), place.part, options)
    if place.kind == "array":
        return _array(place.path, spec, options, flag)
    return _files(place.path, place.part, spec, options, flag)


def _files(path: Path, part: str, spec: str, options: Options, flag: str) -> ImageSource:
    container = open_container(path)
    below = f"{part.strip('/')}/" if part else ""
    inside = [name for name in container.names if name.startswith(below)]
    names = [name for name in inside if is_image(name)]
    where = f"{flag}={spec}"
    if not names:
        tops = sorted({name.split("/")[0] for name in container.names if "/" in name})
        there = f". The whole has the folders {', '.join(tops[:8])}" if below and tops else ""
        raise UserError(layouts.none_in(container._replace(names=inside), where) + there)
    images = ImageFiles(container, names, where, options.channels)
    left_out = layouts.left_out_of(container._replace(names=inside), set(names))
    for line in reading_report.warnings_of({"notes": images.notes()}, where):
        log.warning("%s", line)
    return _told(where, ImageSource(images, *folder_labels(names), split=spec), left_out)


def _told(where: str, source: ImageSource, left_out: Mapping[str, int] = MappingProxyType({})) -> ImageSource:
    """The source with a line on what it holds, which the log gets too."""
    noun, count = "vectors" if is_vectors(source.images) else "images", len(source.images)
    classes = reading_report.classes_of(source.labels, source.class_names)
    kind, rest = reading_report.kind_of(source.images.shape), reading_report.left_out_of(left_out)
    read = f"{count:,} {noun}{classes}, {kind}{rest}"
    log.info("%s: %s", where, read)
    return source._replace(read=read)


def _array(path: Path, spec: str, options: Options, flag: str) -> ImageSource:
    where = f"{flag}={spec}"
    try:
        if path.suffix.lower() == ".npy":
            images = npy_file.read(path, where, mapped=True)
            return _told(where, ImageSource(_checked(images, where, options), split=spec))
        # np.load(path) leaks the open file if it is damaged
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if {"mu", "sigma"} <= set(arrays.files):
                return ImageSource(None, split=spec, statistics=statistics_file.load(path))
            chosen = array_of_examples(arrays.files)
            if not chosen:
                raise UserError(f"{where} is an empty .npz. It must hold uint8 images [N, H, W, C]")
            labels = arrays["labels"] if "labels" in arrays.files and chosen != "labels" else None
            images = _checked(arrays[chosen], where, options)
            unread = [name for name in arrays.files if name != chosen and (name != "labels" or labels is None)]
    except statistics_file.Mismatch as error:
        raise UserError(f"{where}: {error}. Make the statistics anew with --save_statistics") from None
    except UserError:
        raise
    except Exception as error:  # Damaged files raise a dozen types.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{where}: cannot be read ({reason}). Bring it back from a copy, or make it again") from None
    labelled = (None, ()) if labels is None else labels_of(labels, len(images), f"{where}: labels")
    return _told(where, ImageSource(images, *labelled, spec), {f"array {shown(name)}": 1 for name in unread})


def _checked(images: np.ndarray, where: str, options: Options) -> np.ndarray:
    if is_vectors(images) and 0 not in images.shape:
        if wrong := int((~np.isfinite(images)).any(1).sum()):
            raise UserError(f"{where} holds vectors that are not finite in {wrong} rows. Mend or remove them")
        return images
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise UserError(
            f"{where} holds {images.dtype} {list(images.shape)}. Images must be uint8 [N, H, W, C] with C 1 or 3 "
            "(0 to 255, never scaled batch by batch), vectors float32 [N, D]"
        )
    return image_options.set_channels(images, options.channels or images.shape[-1])


def _dataset(name: str, split: str, options: Options) -> ImageSource:
    config = default.get_config().data
    config.update({"name": name, "dir": options.data_dir, "cache_dir": options.cache_dir, "image_size": 0})
    config.update({"channels": options.channels, "train_split": split, "test_split": ""})
    dataset = open_dataset(config, progress=False)
    images, labels = dataset.splits[split]
    known = {"facts": dataset.facts, "factors": dataset.factors_of(split), "read": reading_report.summary(dataset)}
    return ImageSource(images, labels, dataset.class_names, f"{name}:{split}", **known)


def same_kind(real: Pixels, fake: Pixels, real_spec: str, fake_spec: str) -> None:
    """Refuses images that differ in size or channels: a silent conversion would change every number."""
    if len(real.shape) != len(fake.shape) or (len(real.shape) == 2 and real.shape[1] != fake.shape[1]):
        kinds = [f"vectors of {x.shape[1]}" if len(x.shape) == 2 else "images" for x in (real, fake)]
        raise UserError(
            f"--real={real_spec} has {kinds[0]}, but --fake={fake_spec} has {kinds[1]}. No metric compares them"
        )
    if len(real.shape) == 2:
        return
    (height, width, channels), (fake_height, fake_width, fake_channels) = real.shape[1:], fake.shape[1:]
    if channels != fake_channels:
        kinds = {1: "grayscale", 3: "RGB"}
        raise UserError(
            f"--real={real_spec} is {kinds[channels]}, but --fake={fake_spec} is {kinds[fake_channels]}. "
            "--channels=3 repeats gray images, and --channels=1 turns both gray"
        )
    if (height, width) != (fake_height, fake_width):
        raise UserError(
            f"--real={real_spec} has images of {width}x{height}, but --fake={fake_spec} of {fake_width}x{fake_height}. "
            "Resize them to one size first. The way of resizing changes every number"
        )


class Samples:
    """The first `count` samples of a run, generated when indexed. The same number gives the same image.

    Args:
      sample: ids int32 [n] -> images uint8 [n, H, W, C] or points float32 [n, D], for any n.
      batch_size: images generated at a time, so that one compiled program suffices.
    """

    def __init__(self, sample: Callable, count: int, batch_size: int):
        self._sample, self._batch_size = sample, batch_size
        first = np.asarray(sample(np.zeros(batch_size, np.int32)))
        self.shape, self.dtype = (count, *first.shape[1:]), first.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, ids) -> np.ndarray:
        ids = np.arange(len(self), dtype=np.int32)[ids]
        images = list(in_batches(self._sample, self._batch_size, ids))
        return np.concatenate(images) if images else np.zeros((0, *self.shape[1:]), self.dtype)


def open_run(folder: Path, options: Options, flag: str) -> ImageSource:
    """A trained run as a source. Samples are drawn on request, and the other views of its model are there too.

    Raises:
      UserError: no run, no checkpoint, or a checkpoint that cannot be restored.
    """
    try:
        restoring.config_of_one_seed(folder, "run:")
    except UserError as error:
        raise UserError(f"{flag}={error}") from None
    batches = options.batch_size, options.num_devices
    config, opened, players, step = restoring.load(folder, options.checkpoint, options.data_dir, batches)
    opened.config.evaluation.seed, name = options.seed, options.latent_sampler
    latent_samplers.check((name,), opened.views.names, f"--latent_sampler for {flag}=run:{folder}")
    samplers = latent_samplers.fitted(opened, players, step, folder, (name,))
    views = run_views.bound_views(opened, players, samplers)
    prior = next((views[view] for view in ("sample", "points") if view in views), None)
    if prior is None:
        raise UserError(f"{flag}=run:{folder}: its recipe {config.recipe.name!r} offers no samples")
    if samplers:
        del views["sample"]  # only what was asked for is measured, under a name that says so
    images = Samples(views.get(f"sample_{name}", prior), options.samples, options.batch_size)
    split = f"run:{folder} step {step}{f', {name} latents' if samplers else ''}"
    return ImageSource(images, split=split, views=views, facts=run_views.facts_of(opened, samplers))
