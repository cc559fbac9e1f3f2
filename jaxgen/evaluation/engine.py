"""Streams samples and pairs through metrics. It does not import training."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.evaluation import cost
from jaxgen.evaluation.gallery import KEPT, Gallery, point_gallery
from jaxgen.metrics.base import PAIR_VIEWS, SAMPLE_VIEWS, VIEWS, Accumulator, Context
from jaxgen.metrics.image_set import Chosen, ImageSet, ImageSource, OutputBatch
from jaxgen.metrics.records import record, timed
from jaxgen.metrics.selection import Extractors, Selected, few_samples, select
from jaxgen.metrics.streaming import ALONE, ExampleStream, Stopped, Workers
from jaxgen.settings import lookup

__all__ = ["Stopped", "check", "evaluate"]
# The first of these that there is gets pictures.
_DRAWN = {**dict.fromkeys(SAMPLE_VIEWS, Gallery), "points": point_gallery}


def evaluate(
    settings: ConfigDict,
    real: ImageSource | ImageSet | np.ndarray,
    views: Mapping[str, Callable],
    *,
    split: str = "",
    train: ImageSource | ImageSet | None = None,
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
      settings: `config.evaluation`: metrics, num_samples, batch_size, seed, allow_few_samples, and, if not the
        defaults, extractor, resize, extractor_weights, num_train.
      real: the reference split, its images uint8 [N, H, W, C], or an `ImageSet`. An `ImageSet` keeps its features
        between calls, so that several models can be measured against it.
      views: `metrics.base.VIEWS` and others, by name. A view is called with the arguments that its parameters name:
        `ids`, `images`, `image_labels`, `epsilon`. They are on host or device. n is always batch_size, or this
        process's share of it. The last batch is padded with its last example, and the padding is dropped. None means
        an absent view.
      split: name of the reference split, for the record, if `real` does not know its name.
      train: the training split, for metrics of memorisation and metrics of labelled examples.
      facts: further facts of a view, by its name: {"points": {"centres": ..., "std": ...}}.
      place: puts a host batch on all devices.
      stop: asked before every batch.
      cache_dir: folder that keeps statistics of the real images' features. None keeps none.
      gallery: folder for pictures of samples and features (`jaxgen.evaluation.gallery`). None draws none.
      workers: the processes that share the work. All must call this alike. The first process writes the files.
    Returns:
      {metric: {value, spread, n_real, n_fake, extractor, resize, split, seconds, direction, ...},
      "_skipped": {metric: reason}}, finite JSON. Keys are `metrics.base.result_name`'s. `seconds` is the metric's own
      time (with the time for the real images' features, unless cached). `seconds_view` is the time for making the
      images. {} in all processes but the first.

    Raises:
      UserError: unknown metric, bad number, or too few images for a metric without allow_few_samples.
      Stopped: `stop()` was true.
    """
    stream = ExampleStream(settings.batch_size, progress, stop, workers)
    evaluation = _Evaluation(settings, real, split, views, train, facts or {}, place, stream, cache_dir)
    selected, skipped = evaluation.choose()
    if workers.index == 0:
        evaluation.tell_cost(selected)
    drawn = next((view for view in _DRAWN if view in evaluation.offered()), None) if gallery else None
    records: dict[str, dict] = {}
    for view in evaluation.offered():
        metrics = [metric for metric in selected if metric.view == view]
        if metrics or view == drawn:
            records |= evaluation.measure(view, metrics, gallery if view == drawn else None)
    if workers.index > 0:
        return {}
    return {**{metric.key: records[metric.key] for metric in selected}, "_skipped": skipped}


def check(
    settings: ConfigDict,
    real: ImageSource | np.ndarray,
    views: Mapping[str, Callable],
    split: str,
    train: ImageSource | None = None,
    facts: Mapping[str, dict] | None = None,
) -> dict[str, str]:
    """Refuses at once what `evaluate` would refuse after the training. Arguments as for `evaluate`, no view is called.

    Returns:
      The metrics that would be skipped, with the reasons.

    Raises:
      UserError: as `evaluate` does before it computes.
    """
    stream = ExampleStream(settings.batch_size)
    return _Evaluation(settings, real, split, views, train, facts or {}, np.asarray, stream, None).choose()[1]


class _Evaluation:
    """One evaluation's settings, images and extractors."""

    def __init__(self, settings, real, split, views, train, facts, place, stream, cache_dir):
        self.settings, self.facts, self.place, self.stream = settings, facts, place, stream
        self.views = {name: view for name, view in views.items() if view is not None}
        parameters = {name: inspect.signature(view).parameters.values() for name, view in self.views.items()}
        self.takes = {name: {p.name for p in each if p.default is p.empty} for name, each in parameters.items()}
        self.extractor = Extractors(settings)
        self.real = self.opened(real, split, cache_dir)
        limit = settings.get("num_train", 0)
        if isinstance(train, ImageSource) and limit and len(train.images) > limit:
            chosen = np.sort(np.random.default_rng(settings.seed).permutation(len(train.images))[:limit])
            labels = None if train.labels is None else train.labels[chosen]
            train = train._replace(images=Chosen(train.images, chosen), labels=labels, factors=None)
        self.train = None if train is None else self.opened(train, "", cache_dir)
        self.marks: dict[str, dict] = {}

    def opened(self, source: ImageSource | ImageSet | np.ndarray, split: str, cache_dir) -> ImageSet:
        """The set with its features, added if needed. `split` is its name if the set does not know its own."""
        if isinstance(source, ImageSet):
            return source
        source = source if isinstance(source, ImageSource) else ImageSource(source)
        source = source._replace(split=source.split or split)
        return ImageSet(source, self.extractor, self.stream, self.place, cache_dir)

    def choose(self) -> tuple[list[Selected], dict[str, str]]:
        """Metrics to compute, and reasons to skip the others; every refusal is here."""
        for key in ("num_samples", "batch_size"):
            if self.settings[key] < 1:
                raise UserError(f"evaluation.{key}={self.settings[key]} must be at least 1")
        if self.real.images is not None and len(self.real) == 0:
            raise UserError(f"evaluation: the split {self.real.split!r} has no images. Choose another data.test_split")
        modules = {name: lookup.module("metrics", name, "evaluation.metrics") for name in self.settings.metrics}
        selected, skipped = select(modules, self.offered(), self.image_shape(), self.obstacle_to, self.extractor)
        for metric in selected:
            if self.real.statistics_file is not None and "real.statistics" in getattr(metric.module, "USES", ()):
                self.real.statistics(metric.extractor)  # Saved statistics that do not fit are refused here.
        allow = self.settings.allow_few_samples
        self.marks = {metric.key: few_samples(metric, *self.counts(metric.view), allow) for metric in selected}
        return selected, skipped

    def offered(self) -> list[str]:
        """Names of the views that there are, in the order in which they are measured."""
        names = [name for name in dict.fromkeys((*VIEWS, *self.views)) if name in self.views]
        if self.real.labels is None:
            names = [name for name in names if "image_labels" not in self.takes[name]]
        return [name for name in names if self.real.images is not None or "images" not in self.takes[name]]

    def image_shape(self) -> tuple[int, ...]:
        images = self.real.images
        return tuple(self.facts["sample"]["image_shape"] if images is None else images.shape[1:])

    def obstacle_to(self, use: str) -> str:
        """ "" if the inputs of a metric are there, else the reason against it."""
        name, _, number = use.partition(":")
        owner, kind = name.split(".")
        if use == "facts.labels":
            reason = "needs a model that makes images of a given class. This one does not, or its data have no classes"
            return "" if self.facts.get("sample", {}).get("labels") else reason
        if owner == "facts":
            if kind in self.facts.get("points", {}):
                return ""
            needed = "columns of a table" if kind == "columns" else f"true {kind} of the points"
            return f"needs the {needed}. {self.real.split} does not have them"
        images = self.real if owner == "real" else self.train
        if images is None:
            return "needs the training images, but none were given"
        if images.images is None and use != "real.statistics":
            return f"needs the real images' {kind}. {images.split} holds statistics only"
        if kind == "labels" and images.labels is None:
            return f"needs class labels. {images.split} has none"
        if number and len(images.class_names) != int(number):
            return f"needs {int(number):,} classes. {images.split} has {len(images.class_names):,}"
        if kind == "factors" and images.factors is None:
            return f"needs the true factors of the images, as sprites have them. {images.split} has none"
        return ""

    def counts(self, view: str) -> tuple[int | None, int]:
        """Real and fake images that `view` compares: samples against the whole split, pairs one to one."""
        wanted = self.settings.num_samples
        if "images" in self.takes[view]:
            return (min(wanted, len(self.real)),) * 2
        return self.real.statistics_file.n if self.real.images is None else len(self.real), wanted

    def context(self, view: str, extractor: str | None) -> Context:
        """The facts for a metric of the view, or for its pictures."""
        extract = extractor and self.extractor(extractor).apply
        known = self.settings.seed, self.real, self.train, extractor, self.image_shape(), dict(self.facts), extract
        return Context(*self.counts(view), *known)

    def tell_cost(self, selected: list[Selected]) -> None:
        """Logs how long feature networks and log-likelihoods will take, where that is long."""
        sets = {"real": self.real if self.real.images is not None else None, "train": self.train}
        cost.tell(selected, self.extractor, sets, lambda view: self.counts(view)[1], self.image_shape())
        if "log_likelihood" in {metric.view for metric in selected}:
            cost.tell_likelihood(self.facts.get("log_likelihood", {}), self.counts("log_likelihood")[1])

    def tell_uses(self, metric: Selected) -> None:
        """Tells the real sets about the features that the metric will ask for."""
        for use in getattr(metric.module, "USES", ()):
            owner, kind = use.split(".")
            if kind == "features" and metric.extractor is not None:
                (self.real if owner == "real" else self.train).keep_features(metric.extractor)

    def measure(self, view: str, metrics: list[Selected], gallery: str | Path | None) -> dict[str, dict]:
        """Generates the view's output once and feeds it to all its metrics, and samples to the gallery."""
        seconds = dict.fromkeys([metric.key for metric in metrics] + [view], 0.0)
        accumulators: dict[str, Accumulator] = {}
        drawn = next((metric.extractor for metric in metrics if metric.extractor), None)  # the gallery's network
        for metric in metrics:  # all, before the first asks for features
            self.tell_uses(metric)
        if gallery and drawn and self.real.images is not None and len(self.real) <= KEPT:
            self.real.keep_features(drawn)  # of all that there is, and not once more of the same images for pictures
        for metric in metrics:
            with timed(seconds, metric.key):
                accumulators[metric.key] = metric.module.start(self.context(view, metric.extractor))
        if gallery:
            accumulators["_gallery"] = _DRAWN[view](self.context(view, drawn), Path(gallery))
            seconds["_gallery"] = 0.0
        epsilon = next((metric.module.EPSILON for metric in metrics if "epsilon" in self.takes[view]), None)
        for ids, count in self.stream(self.counts(view)[1], view):
            with timed(seconds, view):
                batch = self.batch(view, ids, count, epsilon)
            for key, accumulator in accumulators.items():
                with timed(seconds, key):
                    accumulator.update(batch)
        if self.stream.workers.index > 0:
            return {}
        with self.stream.alone():
            return self.records(view, metrics, accumulators, seconds)

    def records(self, view: str, metrics: list[Selected], accumulators: dict, seconds: dict) -> dict[str, dict]:
        """The records of the view's metrics, once all of its output has gone by; and its pictures."""
        records, statistics = {}, self.real.statistics_file
        unnamed = statistics is not None and statistics.metadata is None
        for metric in metrics:
            with timed(seconds, metric.key):
                result = accumulators[metric.key].result()
            records[metric.key] = record(
                metric,
                result,
                counts=self.counts(view),
                split=self.real.split,
                extractor=self.extractor(metric.extractor) if metric.extractor else None,
                seconds={"seconds": seconds[metric.key], "seconds_view": seconds[view]},
                marks=self.marks[metric.key],
                facts=self.facts.get(view, {}) if view in SAMPLE_VIEWS[1:] else {},
                note=f"{self.real.split} does not say which extractor and resize made it" if unnamed else "",
            )
        if "_gallery" in accumulators:
            accumulators["_gallery"].result()
        return records

    def batch(self, view: str, ids: np.ndarray, count: int, epsilon: float | None) -> OutputBatch:
        takes = self.takes[view]
        real = self.place(self.real.images[ids]) if "images" in takes else None
        labels = self.real.labels[ids] if "image_labels" in takes else None
        given = {"ids": ids, "images": real, "image_labels": labels, "epsilon": epsilon}
        output = self.views[view](**{name: value for name, value in given.items() if name in takes})
        if view in (*SAMPLE_VIEWS, *PAIR_VIEWS):
            expected = (len(ids), *self.image_shape())
            if output.shape != expected or output.dtype != np.uint8:
                raise ValueError(f"the view {view!r} gave {output.dtype}{output.shape}, not uint8{expected}")
        if isinstance(output, np.ndarray) and output.dtype == np.uint8:
            output = self.place(output)
        return OutputBatch(jax.block_until_ready(output), count, real, self.extractor, self.stream.gather)
