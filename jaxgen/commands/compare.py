"""The work behind `python -m jaxgen.evaluate`: sources opened and compared, results printed and written."""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxgen.data.base import is_vectors
from jaxgen.data.cache import root
from jaxgen.devices import parallel, placement
from jaxgen.errors import UserError
from jaxgen.evaluation import engine
from jaxgen.files import provenance
from jaxgen.files.workdir import write_atomic
from jaxgen.metrics import fid
from jaxgen.metrics.base import result_name
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.frechet import frechet_distance
from jaxgen.metrics.image_set import Chosen
from jaxgen.metrics.selection import Extractors, Selected, few_samples
from jaxgen.metrics.streaming import Stream
from jaxgen.metrics.subset import indices
from jaxgen.metrics.table import format_table
from jaxgen.runs.sources import Options, Source, open_source, same_kind
from jaxgen.training import timing

log = logging.getLogger(__name__)
_OF_RUN = 10_000


def run(arguments: Any) -> None:
    """Does what the parsed flags of `jaxgen.evaluate` say.

    Raises:
      UserError: bad input.
    """
    begun = time.perf_counter()
    _check(arguments)
    mesh = parallel.make_mesh(0)
    if arguments.batch_size % mesh.size:
        mesh = parallel.make_mesh(1)  # batches that do not divide stay whole
    options = Options(
        channels=arguments.channels,
        data_dir=arguments.data_dir,
        cache_dir=arguments.cache_dir,
        samples=arguments.num_samples or _OF_RUN,
        batch_size=arguments.batch_size,
        num_devices=mesh.size,
        seed=arguments.seed,
        checkpoint=arguments.checkpoint,
        latent_sampler=arguments.latent_sampler,
    )
    real = open_source(arguments.real, options, "--real")
    settings = _settings(arguments)

    def place(batch):
        return placement.place(mesh, batch)

    cache_dir = root(ConfigDict({"cache_dir": arguments.cache_dir})) / "statistics"
    if real.real.images is not None and is_vectors(real.real.images):
        _check_vectors(arguments)
    if arguments.save_statistics:
        _save_statistics(arguments.save_statistics, real.real, settings, place, cache_dir)
    if not arguments.fake:
        return
    fake = open_source(arguments.fake, options, "--fake")
    train = open_source(arguments.train, options, "--train").real if arguments.train else None
    if train is not None and train.images is None:
        raise UserError(f"--train={arguments.train}: statistics only; training images are needed")
    results = _compare(arguments, settings, real, fake, train, place, cache_dir)
    results["_run"] = {
        "command": ["python", "-m", "jaxgen.evaluate", *sys.argv[1:]],
        "real": arguments.real,
        "fake": arguments.fake,
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_memory_mb": round(timing.host_peak_memory_mb(), 1),
        "device": parallel.describe_devices(mesh),
        "settings": json.loads(settings.to_json()),
        **provenance.software(),
    }
    print(format_table(results))
    told = results["_run"]
    log.info("%.1f s in all, peak memory %.0f MB", told["seconds"], told["peak_memory_mb"])
    if arguments.out:
        write_atomic(arguments.out, json.dumps(results, indent=1) + "\n")
        log.info("written to %s", arguments.out)


def _check(arguments: Any) -> None:
    if not arguments.fake and not arguments.save_statistics:
        raise UserError("--fake is missing: name the images to judge, or --save_statistics to keep those of --real")
    for path in (arguments.out, arguments.save_statistics):
        if path is not None and not path.parent.is_dir():
            raise UserError(f"{path}: there is no folder {path.parent}; make it first")
    for name in ("num_samples", "num_train", "seed"):
        if getattr(arguments, name) < 0:
            raise UserError(f"--{name}={getattr(arguments, name)}: it must be 0 or more")
    if arguments.batch_size < 1:
        raise UserError(f"--batch_size={arguments.batch_size}: it must be at least 1")


def _check_vectors(arguments: Any) -> None:
    for flag in ("pairs", "save_statistics"):
        if getattr(arguments, flag):
            raise UserError(f"--{flag} is for images, and --real={arguments.real} has vectors")


def _settings(arguments: Any) -> ConfigDict:
    names = tuple(name.strip() for name in arguments.metrics.split(",") if name.strip())
    if not names:
        raise UserError("--metrics is empty: name at least one, such as fid")
    keys = ("extractor", "resize", "extractor_weights", "allow_other_weights", "allow_few_samples")
    keys += ("batch_size", "seed", "num_train", "num_samples")
    return ConfigDict({"metrics": names, **{key: getattr(arguments, key) for key in keys}})


def _compare(arguments, settings, real_source: Source, fake: Source, train, place, cache_dir) -> dict:
    real, views = real_source.real, dict(fake.views or {})
    # What is known of the data counts for the reference, not for what a run was trained on.
    facts = {**(fake.facts or {}), **({} if real_source.views else real_source.facts or {})}
    progress = sys.stderr.isatty()
    if fake.real.images is None and real.images is not None and is_vectors(real.images):
        raise UserError(f"--fake={arguments.fake} holds statistics of images, and --real={arguments.real} has vectors")
    if fake.real.images is None:
        return _of_statistics(settings, real, fake.real, place, cache_dir, progress)
    images = fake.real.images
    if real.images is not None:
        same_kind(real.images, images, arguments.real, arguments.fake)
    settings.num_samples = min(arguments.num_samples or len(images), len(images))
    if not fake.views:
        if settings.num_samples < len(images) and not arguments.pairs:
            # Not the first ones: folders come class by class.
            images = Chosen(images, indices(len(images), settings.num_samples, arguments.seed))
        views["points" if is_vectors(images) else "sample"] = lambda ids: images[ids]
        facts["sample"] = {"image_shape": tuple(images.shape[1:])}
    if arguments.pairs:
        if real.images is None or len(real.images) != len(images):
            count = "statistics only" if real.images is None else f"{len(real.images)} images"
            raise UserError(f"--pairs: --real has {count} and --fake {len(images)}: pairs need one for one")
        views = {"reconstruct": _in_turn(images)}
    return engine.evaluate(
        settings,
        real,
        views,
        train=train,
        facts=facts,
        place=place,
        progress=progress,
        cache_dir=cache_dir,
        gallery=arguments.pictures,
    )


def _in_turn(images):
    """A view that gives image after image: evaluation asks for the pairs in order, padding the last batch."""
    position = 0

    def copies(real):
        nonlocal position
        import numpy as np

        ids = np.minimum(np.arange(position, position + len(real)), len(images) - 1)
        position += len(real)
        return images[ids]

    return copies


def _of_statistics(settings, real: engine.Real, fake: engine.Real, place, cache_dir, progress: bool) -> dict:
    """The Frechet distance between saved statistics, or a set's and saved ones; nothing else can be had of them."""
    wrong = [name for name in settings.metrics if name != "fid"]
    if wrong:
        raise UserError(f"--fake={fake.split} holds statistics only: of --metrics only fid can be had, not {wrong[0]}")
    extractors = Extractors(settings)
    extractor, stream = extractors(extractors.chosen), Stream(settings.batch_size, progress)
    sides = [engine.image_set(side, extractors, stream, place, cache_dir) for side in (real, fake)]
    counts = [side.statistics.n if side.images is None else len(side.images) for side in (real, fake)]
    one = Selected("fid", result_name("fid", fid, "sample", extractor), fid, "sample", extractors.chosen)
    known = min((n for n in counts if n is not None), default=fid.MIN_SAMPLES)
    mark = few_samples(one, counts[0], known, settings.allow_few_samples)
    start = time.perf_counter()
    value = frechet_distance(*(side.statistics(extractors.chosen) for side in sides))
    record = {
        "value": value,
        "spread": None,
        "spread_kind": "none: statistics alone cannot be drawn from again",
        "n_real": counts[0],
        "n_fake": counts[1],
        "direction": fid.DIRECTION,
        "metric": "fid",
        "view": "sample",
        **extractor.metadata(),
        "seconds": round(time.perf_counter() - start, 3),
        "split": real.split,
        **mark,
    }
    unnamed = [side.split for side in (real, fake) if side.images is None and side.statistics.metadata is None]
    if unnamed:
        record["note"] = f"{' and '.join(unnamed)}: the file does not say which extractor and resize made it"
    return {one.key: record, "_skipped": {}}


def _save_statistics(path: Path, real: engine.Real, settings, place, cache_dir) -> None:
    if real.images is None:
        raise UserError(f"--save_statistics: --real={real.split} is a statistics file already")
    extractors = Extractors(settings)
    stream = Stream(settings.batch_size, sys.stderr.isatty())
    images = engine.image_set(real, extractors, stream, place, cache_dir)
    statistics = images.statistics(extractors.chosen)
    statistics_file.save(path, statistics, images.metadata(extractors(extractors.chosen)))
    log.info("statistics of %d images written to %s", statistics.n, path)
