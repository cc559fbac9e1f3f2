"""Streams samples and pairs through metrics; knows nothing of training."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxgen import lookup
from jaxgen.errors import UserError
from jaxgen.metrics.base import Accumulator, Batch, Context
from jaxgen.metrics.extractors import statistics_file
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.frechet import FeatureStatistics, GroupedStatistics, merged

VIEWS = ("sample", "reconstruct")
log = logging.getLogger(__name__)
# Seconds between progress lines where there is no terminal for a bar.
_TELL_EVERY = 15.0


class Stopped(Exception):
    """`stop()` said so; nothing was written but a finished cache of the reference."""


def evaluate(
    settings: Any,
    real: np.ndarray,
    views: Mapping[str, Callable],
    *,
    split: str,
    place: Callable[[np.ndarray], jax.Array] = jax.numpy.asarray,
    progress: bool = True,
    stop: Callable[[], bool] = lambda: False,
    cache_dir: str | Path | None = None,
) -> dict:
    """Computes `settings.metrics` on what `views` offers and returns the contents of `evaluation.json`, less `_run`.

    Args:
      settings: `config.evaluation`: metrics, num_samples, batch_size, seed, allow_few_samples.
      real: uint8 [N, H, W, C], the reference split.
      views: any of "sample": ids int32 [n] -> uint8 images [n, H, W, C], and "reconstruct": uint8 images [n, H, W, C]
        -> the same; on host or device. Both are called with n = batch_size always; what pads the last batch repeats
        its last example and is dropped.
      split: the name of the reference split, for the record.
      place: puts a host batch on all devices.
      stop: asked before every batch.
      cache_dir: where statistics of the real images' features are kept; None keeps none.

    Returns:
      {metric: {value, spread, n_real, n_fake, extractor, resize, split, seconds, direction, ...},
      "_skipped": {metric: reason}}, finite JSON. `seconds` is the metric's own time
      (with that of the real images' features unless cached), `seconds_view` that of making the images.

    Raises:
      UserError: unknown metric, bad number, or too few images for a metric without allow_few_samples.
      Stopped: `stop()` was true.
    """
    run = _Run(settings, real, views, place, progress, stop, cache_dir)
    chosen, skipped, marks = run.choose(split)
    out: dict[str, dict] = {}
    for view in VIEWS:
        mine = {name: module for name, module in chosen.items() if view == module.NEEDS}
        if mine:
            out |= run.measure(view, mine)
    for name, mark in marks.items():
        out[name] |= {"split": split, **mark}
    ordered = {name: _finite(out[name]) for name in settings.metrics if name in out}
    return {**ordered, "_skipped": skipped}


def check(settings: Any, real: np.ndarray, offered: Iterable[str], split: str) -> None:
    """Refuses at once what `evaluate` would refuse after the training.

    Args:
      settings, real, split: as for `evaluate`.
      offered: names of the views that there will be.

    Raises:
      UserError: as `evaluate` does before it computes.
    """
    views = dict.fromkeys(offered, check)  # never called: only what is offered counts
    _Run(settings, real, views, np.asarray, False, lambda: False, None).choose(split)


def _choose(names, views, image_shape) -> tuple[dict[str, ModuleType], dict[str, str]]:
    """The metric modules that can be computed, and for the others the reason why not."""
    chosen, skipped = {}, {}
    for name in names:
        module = lookup.module("metrics", name, "evaluation.metrics")
        for attribute in ("NEEDS", "DIRECTION", "MIN_SAMPLES", "EXTRACTOR", "start"):
            lookup.need(module, attribute, "evaluation.metrics")
        if module.NEEDS not in VIEWS or views.get(module.NEEDS) is None:
            offered = ", ".join(view for view in views if views[view] is not None) or "nothing"
            skipped[name] = f"needs the view {module.NEEDS!r}; this model offers {offered}"
        elif reason := getattr(module, "unsuitable", lambda shape: None)(image_shape):
            skipped[name] = reason
        else:
            chosen[name] = module
    return chosen, skipped


class _Run:
    """One evaluation's settings, images and extractors."""

    def __init__(self, settings, real, views, place, progress, stop, cache_dir):
        self.settings, self.real, self.views, self.place = settings, real, views, place
        self.progress, self.stop, self.cache_dir = progress, stop, cache_dir
        self._references: dict[str, FeatureStatistics] = {}

    def choose(self, split: str) -> tuple[dict[str, ModuleType], dict[str, str], dict[str, dict]]:
        """Metrics to compute, reasons to skip others, marks for those with few images; every refusal is here."""
        for key in ("num_samples", "batch_size"):
            if self.settings[key] < 1:
                raise UserError(f"evaluation.{key}={self.settings[key]} must be at least 1")
        if len(self.real) == 0:
            raise UserError(f"evaluation: the split {split!r} has no images; choose another data.test_split")
        chosen, skipped = _choose(self.settings.metrics, self.views, self.real.shape[1:])
        return chosen, skipped, {name: self.check_count(name, module) for name, module in chosen.items()}

    def counts(self, view: str) -> tuple[int, int]:
        """Real and fake images that `view` compares: samples against the whole split, pairs one to one."""
        wanted = self.settings.num_samples
        return (len(self.real), wanted) if view == "sample" else (min(wanted, len(self.real)),) * 2

    def check_count(self, name: str, module: ModuleType) -> dict:
        """What to add to the metric's record about its number of images; refuses too few."""
        n_real, n_fake = self.counts(module.NEEDS)
        if min(n_real, n_fake) >= module.MIN_SAMPLES:
            return {}
        if not self.settings.allow_few_samples:
            raise UserError(
                f"evaluation.metrics: {name} needs at least {module.MIN_SAMPLES} images and has {n_real} real and "
                f"{n_fake} generated; raise evaluation.num_samples, use a larger split, or set "
                "evaluation.allow_few_samples=True to have it computed and marked"
            )
        return {"few_samples": True, "min_samples": module.MIN_SAMPLES}

    def extractor(self, name: str) -> Extractor:
        return lookup.module("metrics.extractors", name, "extractor").load()

    def batches(self, total: int, what: str) -> Iterator[tuple[np.ndarray, int]]:
        """Example numbers [batch_size] of each batch, the last one padded, and how many of them count."""
        size, told = self.settings.batch_size, time.monotonic()
        with tqdm(total=total, desc=what, unit="img", disable=not self.progress) as bar:
            for first in range(0, total, size):
                if self.stop():
                    raise Stopped
                ids = np.minimum(np.arange(first, first + size, dtype=np.int32), total - 1)
                count = min(size, total - first)
                yield ids, count
                bar.update(count)
                if not self.progress and time.monotonic() - told > _TELL_EVERY:
                    told = time.monotonic()
                    log.info("%s: %d of %d images", what, first + count, total)

    def measure(self, view: str, modules: Mapping[str, ModuleType]) -> dict[str, dict]:
        """Generates the view's images once and feeds them to all its metrics."""
        n_real, n_fake = self.counts(view)
        context = Context(n_real, n_fake, self.settings.seed, self.reference)
        seconds = dict.fromkeys(modules, 0.0)
        accumulators: dict[str, Accumulator] = {}
        for name, module in modules.items():
            with _Clock(seconds, name):
                accumulators[name] = module.start(context)
        view_seconds = {view: 0.0}
        for ids, count in self.batches(n_fake, view):
            with _Clock(view_seconds, view):
                batch = self.batch(view, ids, count)
            for name, accumulator in accumulators.items():
                with _Clock(seconds, name):
                    accumulator.update(batch)
        out = {}
        for name, module in modules.items():
            with _Clock(seconds, name):
                result = accumulators[name].result()
            extractor = self.extractor(module.EXTRACTOR).metadata() if module.EXTRACTOR else {}
            out[name] = {
                "value": result["value"],
                "spread": result["spread"],
                "n_real": n_real,
                "n_fake": n_fake,
                "direction": module.DIRECTION,
                "extractor": None,
                "resize": None,
                **extractor,
                "seconds": round(seconds[name], 3),
                "seconds_view": round(view_seconds[view], 3),
                **result,
            }
        return out

    def batch(self, view: str, ids: np.ndarray, count: int) -> Batch:
        real = self.place(self.real[ids]) if view == "reconstruct" else None
        fake = self.views[view](ids if real is None else real)
        expected = (len(ids), *self.real.shape[1:])
        if fake.shape != expected or fake.dtype != np.uint8:
            raise ValueError(f"the view {view!r} gave {fake.dtype}{fake.shape} where uint8{expected} was wanted")
        fake = self.place(fake) if isinstance(fake, np.ndarray) else fake
        return Batch(jax.block_until_ready(fake), count, real, self.extractor)

    def reference(self, name: str) -> FeatureStatistics:
        """Statistics of the real images' features, computed once a run, or read where the cache holds exactly these."""
        if name not in self._references:
            extractor = self.extractor(name)
            self._references[name] = (
                self._real_statistics(extractor) if self.cache_dir is None else self._cached_statistics(extractor)
            )
        return self._references[name]

    def _cached_statistics(self, extractor: Extractor) -> FeatureStatistics:
        digest = hashlib.sha256(repr(self.real.shape).encode() + self.real.tobytes()).hexdigest()
        metadata = {**extractor.metadata(), "data_sha256": digest, "n": len(self.real)}
        key = hashlib.sha256(repr(sorted(metadata.items())).encode()).hexdigest()
        path = Path(self.cache_dir) / f"reference_{extractor.name}_{key[:16]}.npz"
        if path.exists():
            try:
                return statistics_file.load(path, metadata)
            except (statistics_file.Mismatch, OSError) as error:
                log.warning("%s: cached reference statistics are not used and made again: %s", path, error)
        statistics = self._real_statistics(extractor)
        try:
            statistics_file.save(path, statistics, metadata)
        except OSError as error:
            log.warning("%s: reference statistics could not be cached: %s", path, error)
        return statistics

    def _real_statistics(self, extractor: Extractor) -> FeatureStatistics:
        stream = GroupedStatistics(len(self.real), seed=0, groups=1)
        for ids, count in self.batches(len(self.real), "reference"):
            stream.update(np.asarray(extractor.apply(self.place(self.real[ids]))[0])[:count])
        return merged(stream.parts())


class _Clock:
    """Adds the time of its block to `totals[name]`."""

    def __init__(self, totals: dict[str, float], name: str):
        self._totals, self._name = totals, name

    def __enter__(self):
        self._start = time.perf_counter()

    def __exit__(self, *error):
        self._totals[self._name] += time.perf_counter() - self._start


def _finite(record: dict) -> dict:
    """The record with null for each infinite or undefined number, since JSON has none, and a note that says so."""
    bad = {key: value for key, value in record.items() if isinstance(value, float) and not math.isfinite(value)}
    if not bad:
        return record
    told = "; ".join(f"{key} is {value}" for key, value in bad.items())
    return {**record, **dict.fromkeys(bad), "note": "; ".join(filter(None, [record.get("note"), told]))}
