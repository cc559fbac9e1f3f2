"""Streams samples and pairs through metrics; knows nothing of training."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen.errors import UserError
from jaxgen.evaluation.gallery import Gallery, PointGallery
from jaxgen.metrics.base import PATH_VIEWS, SAMPLE_VIEWS, VIEWS, Accumulator, Batch, Context
from jaxgen.metrics.extractors.statistics_file import SavedStatistics
from jaxgen.metrics.image_set import Chosen, RealImages
from jaxgen.metrics.records import Clock, finite
from jaxgen.metrics.selection import Extractors, Selected, few_samples, select
from jaxgen.metrics.streaming import ALONE, Stopped, Stream, Workers

__all__ = ["Real", "Stopped", "check", "evaluate", "image_set"]
# Views that are given real images, one output for each.
_OF_REAL = ("reconstruct", "project", "log_likelihood", "encode")
_IMAGES = (*SAMPLE_VIEWS, "reconstruct", "project")
# The first of these that there is gets pictures.
_DRAWN = {**dict.fromkeys(SAMPLE_VIEWS, Gallery), "points": PointGallery}


class Real(NamedTuple):
    """A split of real images, or saved feature statistics that stand in for one.

    images: uint8 [N, H, W, C]: an array, or what streams from disk (len(), shape, indexing by int arrays); or vectors
    float32 [N, D]. None with statistics. labels: int32 [N] or None.
    """

    images: Any
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    split: str = ""
    statistics: SavedStatistics | None = None


def evaluate(
    settings: Any,
    real: Real | RealImages | np.ndarray,
    views: Mapping[str, Callable],
    *,
    split: str = "",
    train: Real | RealImages | None = None,
    facts: Mapping[str, dict] | None = None,
    place: Callable[[np.ndarray], jax.Array] = jax.numpy.asarray,
    progress: bool = True,
    stop: Callable[[], bool] = lambda: False,
    cache_dir: str | Path | None = None,
    gallery: str | Path | None = None,
    workers: Workers = ALONE,
) -> dict:
    """Computes `settings.metrics` on what `views` offers and returns the contents of `evaluation.json`, less `_run`.

    Args:
      settings: `config.evaluation`: metrics, num_samples, batch_size, seed, allow_few_samples; and, where they differ
        from the usual, extractor, resize, extractor_weights, num_train.
      real: the reference split, or its images uint8 [N, H, W, C]; or an `image_set`, which keeps its features from
        one call to the next where several models are measured against it.
      views: any of `metrics.base.VIEWS`, as described there; on host or device. All are called with n = batch_size
        always, or this process's share of it; what pads the last batch repeats its last example and is dropped.
      split: the name of the reference split, for the record, if `real` does not tell it.
      train: the training split, for metrics that ask about memorisation or need labelled examples.
      facts: what else a view must tell, by its name: {"points": {"centres": ..., "std": ...}}.
      place: puts a host batch on all devices.
      stop: asked before every batch.
      cache_dir: where statistics of the real images' features are kept; None keeps none.
      gallery: folder for pictures of samples and features (`jaxgen.evaluation.gallery`); None draws none.
      workers: the processes that share the work; all must call this alike. The first writes what there is to write.

    Returns:
      {metric: {value, spread, n_real, n_fake, extractor, resize, split, seconds, direction, ...},
      "_skipped": {metric: reason}}, finite JSON. Keys are `metrics.base.result_name`'s. `seconds` is the metric's own
      time (with that of the real images' features unless cached), `seconds_view` that of making the images. {} in all
      processes but the first.

    Raises:
      UserError: unknown metric, bad number, or too few images for a metric without allow_few_samples.
      Stopped: `stop()` was true.
    """
    stream = Stream(settings.batch_size, progress, stop, workers)
    run = _Run(settings, _as_real(real, split), views, train, facts or {}, place, stream, cache_dir)
    selected, skipped, marks = run.choose()
    out: dict[str, dict] = {}
    drawn = next((view for view in _DRAWN if view in run.offered()), None) if gallery else None
    for view in VIEWS:
        mine = [one for one in selected if one.view == view]
        if mine or view == drawn:
            out |= run.measure(view, mine, gallery if view == drawn else None)
    if workers.index > 0:
        return {}
    for key, mark in marks.items():
        out[key] |= {"split": run.real.split, **mark}
    if run.real.statistics_file is not None and run.real.statistics_file.metadata is None:
        unnamed = f"{run.real.split} does not say which extractor and resize made it"
        out = {
            key: {**record, "note": "; ".join(filter(None, [record.get("note"), unnamed]))}
            for key, record in out.items()
        }
    return {**{one.key: finite(out[one.key]) for one in selected}, "_skipped": skipped}


def check(settings: Any, real: Real | np.ndarray, offered: Iterable[str], split: str, train: Real | None = None):
    """Refuses at once what `evaluate` would refuse after the training; arguments as for `evaluate`.

    Raises:
      UserError: as `evaluate` does before it computes.
    """
    views = dict.fromkeys(offered, check)  # never called: only what is offered counts
    _Run(settings, _as_real(real, split), views, train, {}, np.asarray, Stream(settings.batch_size), None).choose()


def _as_real(real, split: str) -> Real | RealImages:
    if isinstance(real, RealImages):
        return real
    return real._replace(split=real.split or split) if isinstance(real, Real) else Real(real, split=split)


def image_set(real: Real, extractor: Extractors, stream: Stream, place: Callable, cache_dir) -> RealImages:
    """The split as metrics see it, its features computed when they are first asked for."""
    return RealImages(
        real.images,
        real.labels,
        real.class_names,
        split=real.split,
        statistics=real.statistics,
        extractor=extractor,
        stream=stream,
        place=place,
        cache_dir=cache_dir,
    )


class _Run:
    """One evaluation's settings, images and extractors."""

    def __init__(self, settings, real, views, train, facts, place, stream, cache_dir):
        self.settings, self.views, self.facts = settings, views, facts
        self.place, self.stream = place, stream
        self.extractor = Extractors(settings)
        self.real = self.opened(real, cache_dir)
        limit = settings.get("num_train", 0)
        if isinstance(train, Real) and limit and len(train.images) > limit:
            chosen = np.sort(np.random.default_rng(settings.seed).permutation(len(train.images))[:limit])
            labels = None if train.labels is None else train.labels[chosen]
            train = train._replace(images=Chosen(train.images, chosen), labels=labels)
        self.train = None if train is None else self.opened(train, cache_dir)

    def opened(self, real: Real | RealImages, cache_dir) -> RealImages:
        """The set with its features to come, unless it has them already."""
        if isinstance(real, RealImages):
            return real
        return image_set(real, self.extractor, self.stream, self.place, cache_dir)

    def choose(self) -> tuple[list[Selected], dict[str, str], dict[str, dict]]:
        """Metrics to compute, reasons to skip others, marks for those with few images; every refusal is here."""
        for key in ("num_samples", "batch_size"):
            if self.settings[key] < 1:
                raise UserError(f"evaluation.{key}={self.settings[key]} must be at least 1")
        if self.real.images is not None and len(self.real) == 0:
            raise UserError(f"evaluation: the split {self.real.split!r} has no images; choose another data.test_split")
        selected, skipped = select(self.settings.metrics, self.offered(), self.image_shape(), self.has, self.extractor)
        allow = self.settings.allow_few_samples
        marks = {one.key: few_samples(one, *self.counts(one.view), allow) for one in selected}
        return selected, skipped, marks

    def offered(self) -> list[str]:
        """Names of the views that there are."""
        missing = _OF_REAL if self.real.images is None else ()
        return [view for view in VIEWS if self.views.get(view) is not None and view not in missing]

    def image_shape(self) -> tuple[int, ...]:
        images = self.real.images
        return tuple(self.facts["sample"]["image_shape"] if images is None else images.shape[1:])

    def has(self, use: str) -> str:
        """ "" if there is what a metric uses, else why not."""
        owner, kind = use.split(".")
        if owner == "facts":
            known = kind in self.facts.get("points", {})
            told = "columns of a table" if kind == "columns" else f"true {kind} of the points"
            return "" if known else f"needs the {told}; {self.real.split} does not tell them"
        images = self.real if owner == "real" else self.train
        if images is None:
            return "needs the training images; none were given"
        if images.images is None and use != "real.statistics":
            return f"needs the real images' {kind}; {images.split} holds statistics only"
        if kind == "labels" and images.labels is None:
            return f"needs class labels; {images.split} has none"
        return ""

    def counts(self, view: str) -> tuple[int | None, int]:
        """Real and fake images that `view` compares: samples against the whole split, pairs one to one."""
        wanted = self.settings.num_samples
        if view in _OF_REAL:
            return (min(wanted, len(self.real)),) * 2
        return self.real.statistics_file.n if self.real.images is None else len(self.real), wanted

    def context(self, one: Selected) -> Context:
        """What the metric may know, with a word to the real sets about the features that it will ask for."""
        for use in getattr(one.module, "USES", ()):
            owner, kind = use.split(".")
            if kind == "features" and one.extractor is not None:
                (self.real if owner == "real" else self.train).keep_features(one.extractor)
        return Context(
            *self.counts(one.view),
            seed=self.settings.seed,
            real=self.real,
            train=self.train,
            extractor=one.extractor,
            image_shape=self.image_shape(),
            info=dict(self.facts),
            extract=one.extractor and self.extractor(one.extractor).apply,
        )

    def measure(self, view: str, selected: list[Selected], gallery: str | Path | None) -> dict[str, dict]:
        """Generates the view's output once and feeds it to all its metrics, and samples to the gallery."""
        seconds = dict.fromkeys([one.key for one in selected] + [view], 0.0)
        accumulators: dict[str, Accumulator] = {}
        contexts = {one.key: self.context(one) for one in selected}  # all, before the first asks for features
        for one in selected:
            with Clock(seconds, one.key):
                accumulators[one.key] = one.module.start(contexts[one.key])
        if gallery:
            accumulators["_gallery"] = self.gallery(view, selected, Path(gallery))
            seconds["_gallery"] = 0.0
        epsilon = next((one.module.EPSILON for one in selected if view in PATH_VIEWS), None)
        for ids, count in self.stream(self.counts(view)[1], view):
            with Clock(seconds, view):
                batch = self.batch(view, ids, count, epsilon)
            for key, accumulator in accumulators.items():
                with Clock(seconds, key):
                    accumulator.update(batch)
        if self.stream.workers.index > 0:
            return {}
        with self.stream.alone():
            return self.results(view, selected, accumulators, seconds)

    def results(self, view: str, selected: list[Selected], accumulators: dict, seconds: dict) -> dict[str, dict]:
        """The records of the view's metrics, once all of its output has gone by; and its pictures."""
        out, (n_real, n_fake) = {}, self.counts(view)
        for one in selected:
            with Clock(seconds, one.key):
                result = accumulators[one.key].result()
            out[one.key] = {
                "value": result["value"],
                "spread": result["spread"],
                "n_real": n_real,
                "n_fake": n_fake,
                "direction": one.module.DIRECTION,
                "metric": one.name,
                "view": view,
                "extractor": None,
                "resize": None,
                **(self.extractor(one.extractor).metadata() if one.extractor else {}),
                **(self.facts.get(view, {}) if view in SAMPLE_VIEWS[1:] else {}),
                "seconds": round(seconds[one.key], 3),
                "seconds_view": round(seconds[view], 3),
                **result,
            }
        if "_gallery" in accumulators:
            accumulators["_gallery"].result()
        return out

    def gallery(self, view: str, selected: list[Selected], folder: Path) -> Gallery | PointGallery:
        """Pictures with the features of the first metric that has any."""
        name = next((one.extractor for one in selected if one.extractor), None)
        counts = self.counts(view)
        sets = {"real": self.real, "train": self.train}
        context = Context(*counts, seed=self.settings.seed, **sets, extractor=name, info=dict(self.facts))
        return _DRAWN[view](context, folder)

    def batch(self, view: str, ids: np.ndarray, count: int, epsilon: float | None) -> Batch:
        real = self.place(self.real.images[ids]) if view in _OF_REAL else None
        arguments = {"log_likelihood": (real, ids), **dict.fromkeys(PATH_VIEWS, (ids, epsilon))}
        output = self.views[view](*arguments.get(view, (ids if real is None else real,)))
        if view in _IMAGES:
            expected = (len(ids), *self.image_shape())
            if output.shape != expected or output.dtype != np.uint8:
                raise ValueError(f"the view {view!r} gave {output.dtype}{output.shape}, not uint8{expected}")
            output = self.place(output) if isinstance(output, np.ndarray) else output
        return Batch(jax.block_until_ready(output), count, real, self.extractor, self.stream.gather)
