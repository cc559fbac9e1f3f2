"""The work of `python -m jaxgen.evaluate`: opens and compares sources, prints and writes results."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.commands import compare_request
from jaxgen.data.base import is_vectors
from jaxgen.data.cache import root
from jaxgen.devices import parallel, placement
from jaxgen.errors import UserError
from jaxgen.evaluation import engine
from jaxgen.files import outputs, provenance
from jaxgen.metrics import fid
from jaxgen.metrics.base import result_name
from jaxgen.metrics.collected import indices
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.frechet import frechet_distance
from jaxgen.metrics.image_set import Chosen, ImageSet, ImageSource
from jaxgen.metrics.records import record, timed
from jaxgen.metrics.selection import Extractors, Selected, few_samples
from jaxgen.metrics.streaming import ExampleStream
from jaxgen.runs.sources import Options, open_source, same_kind
from jaxgen.training.run import host_peak_memory_mb

log = logging.getLogger(__name__)
_OF_RUN = 10_000


def run(arguments: argparse.Namespace, command: Sequence[str] = ()) -> dict[str, dict]:
    """Runs the command with the parsed flags of `jaxgen.evaluate`.

    Args:
      command: the command line as typed, for the record.

    Returns:
      The results as in the --out file. {} if nothing is compared.

    Raises:
      UserError: bad input.
    """
    begun, software = time.perf_counter(), provenance.software()  # of the code that runs, not of one that comes later
    settings = compare_request.check(arguments)
    mesh = parallel.make_mesh(0)
    if arguments.batch_size % mesh.size:
        mesh = parallel.make_mesh(1)  # batches that do not divide stay whole
    comparison = _Comparison(settings, lambda batch: placement.place(mesh, batch), arguments.cache_dir)
    if compare_request.is_of_vectors(arguments):
        compare_request.refuse_flags_of_images(arguments)
    else:
        comparison.load_networks(arguments)
    given = {name: value for name, value in vars(arguments).items() if name in Options._fields}
    options = Options(samples=arguments.num_samples or _OF_RUN, num_devices=mesh.size, **given)
    opened = {
        flag: open_source(getattr(arguments, flag), options, f"--{flag}")
        for flag in ("real", "fake", "train")
        if flag == "real" or getattr(arguments, flag)
    }
    real, fake, train = opened["real"], opened.get("fake"), opened.get("train")
    if real.images is not None and is_vectors(real.images):
        compare_request.refuse_flags_of_images(arguments)
    if train is not None and train.images is None:
        raise UserError(f"--train={arguments.train} holds statistics only, but training images are needed")
    compare = comparison.prepare(arguments, real, fake, train) if fake else None
    if arguments.save_statistics:
        comparison.save_statistics(outputs.target_of(arguments.save_statistics), real)
    if compare is None:
        return {}
    results = compare()
    opened = {"real": real, "fake": fake, "train": train}
    about = {
        "command": list(command),
        "real": str(arguments.real),
        "fake": str(arguments.fake),
        "read": {name: source.read for name, source in opened.items() if source is not None and source.read},
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_memory_mb": round(host_peak_memory_mb(), 1),
        "device": parallel.describe_devices(mesh),
        "settings": json.loads(settings.to_json()),
        **software,
    }
    results["_run"] = about
    log.info("%.1f s in all, peak memory %.0f MB", about["seconds"], about["peak_memory_mb"])
    if arguments.out:
        outputs.write(arguments.out, json.dumps(results, indent=1) + "\n")
        log.info("written to %s", arguments.out)
    return results


class _Comparison:
    """What measures one source against another: settings, feature networks, devices and the cache of statistics."""

    def __init__(self, settings: ConfigDict, place: Callable[[np.ndarray], jax.Array], cache_dir: str):
        self._settings, self._place, self._progress = settings, place, sys.stderr.isatty()
        self._extractors = Extractors(settings)
        self._cache_dir = root(ConfigDict({"cache_dir": cache_dir})) / "statistics"

    def load_networks(self, arguments: argparse.Namespace) -> None:
        """Loads the feature networks before anything else, since their weights may be missing."""
        compare_request.load_networks(
            self._settings, self._extractors, bool(arguments.pairs), bool(arguments.save_statistics)
        )

    def prepare(
        self, arguments: argparse.Namespace, real: ImageSource, fake: ImageSource, train: ImageSource | None
    ) -> Callable[[], dict]:
        """Checks that the sources fit together, and returns the function that compares them."""
        settings, images = self._settings, fake.images
        if images is None and real.images is not None and is_vectors(real.images):
            raise UserError(
                f"--fake={arguments.fake} holds statistics of images, but --real={arguments.real} has vectors"
            )
        if images is None:
            return self._prepare_statistics(real, fake)
        if real.images is not None:
            same_kind(real.images, images, arguments.real, arguments.fake)
        # What is known of the data counts for the reference, not for what a run was trained on.
        views, facts = dict(fake.views or {}), {**fake.facts, **({} if real.views else real.facts)}
        settings.num_samples = min(arguments.num_samples or len(images), len(images))
        if fake.views is None:
            if settings.num_samples < len(images) and not arguments.pairs:
                # Not the first ones: folders come class by class.
                images = Chosen(images, indices(len(images), settings.num_samples, arguments.seed))
            views["points" if is_vectors(fake.images) else "sample"] = lambda ids: images[ids]
            facts["sample"] = {"image_shape": tuple(images.shape[1:])}
        if arguments.pairs:
            if real.images is None or len(real.images) != len(images):
                count = "statistics only" if real.images is None else f"{len(real.images)} images"
                raise UserError(f"--pairs: --real has {count}, but --fake has {len(images)}. Pairs need equal counts")
            fakes = images
            # The copy of a real image is the fake of the same number.
            views = {"reconstruct": lambda images, ids: fakes[ids]}
        compare_request.tell_skipped(
            settings, engine.check(settings, real, views, "", train, facts), arguments.pictures
        )
        compared = {"place": self._place, "progress": self._progress, "cache_dir": self._cache_dir}
        return lambda: engine.evaluate(
            settings, real, views, train=train, facts=facts, gallery=arguments.pictures, **compared
        )

    def _prepare_statistics(self, real: ImageSource, fake: ImageSource) -> Callable[[], dict]:
        """The Frechet distance between saved statistics, or a set's and saved ones; no other metric can be had."""
        wrong = [name for name in self._settings.metrics if name != "fid"]
        if wrong:
            raise UserError(
                f"--fake={fake.split} holds statistics only. They allow the metric fid alone, not {wrong[0]}"
            )
        chosen = self._extractors.chosen
        extractor, sides = self._extractors(chosen), [self._image_set(source) for source in (real, fake)]
        counts = [side.statistics_file.n if side.images is None else len(side) for side in sides]
        metric = Selected("fid", result_name("fid", fid, "sample", extractor), fid, "sample", chosen)
        known = min((n for n in counts if n is not None), default=fid.MIN_SAMPLES)
        marks = few_samples(metric, counts[0], known, self._settings.allow_few_samples)
        saved = [side for side in sides if side.statistics_file is not None]
        for side in saved:
            side.statistics(chosen)  # those of another network are refused before features are computed
        unnamed = " and ".join(side.split for side in saved if side.statistics_file.metadata is None)
        note = f"{unnamed}: the file does not say which extractor and resize made it" if unnamed else ""

        def compare() -> dict:
            seconds = {"seconds": 0.0}
            with timed(seconds, "seconds"):
                value = frechet_distance(*(side.statistics(chosen) for side in sides))
            kind = "none: statistics alone cannot be drawn from again"
            result = {"value": value, "spread": None, "spread_kind": kind}
            made = record(metric, result, tuple(counts), real.split, extractor, seconds, marks, note=note)
            return {metric.key: made, "_skipped": {}}

        return compare

    def save_statistics(self, path: Path, real: ImageSource) -> None:
        """Writes mean and covariance of the features of all images."""
        if real.images is None:
            raise UserError(f"--save_statistics: --real={real.split} is a statistics file already")
        images, chosen = self._image_set(real), self._extractors.chosen
        statistics = images.statistics(chosen)
        statistics_file.save(path, statistics, images.metadata(self._extractors(chosen)))
        log.info("statistics of %d images written to %s", statistics.n, path)

    def _image_set(self, source: ImageSource) -> ImageSet:
        stream = ExampleStream(self._settings.batch_size, self._progress)
        return ImageSet(source, self._extractors, stream, self._place, self._cache_dir)
