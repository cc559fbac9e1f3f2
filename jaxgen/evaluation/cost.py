"""Says before an evaluation what takes long: feature networks on CPUs, and log-likelihoods of many gradients."""

import functools
import logging
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np

from jaxgen.metrics.extractors.base import Extractor
from jaxgen.metrics.image_set import ImageSet
from jaxgen.metrics.selection import Selected

log = logging.getLogger(__name__)
# Images that a network is timed with, after as many that compile it.
_TIMED = 8
# Shorter work is done before anyone has read a line about it. So few images are not worth the timing either.
_WORTH_A_LINE = 60.0
_FEW = 500
_MANY_GRADIENTS = 100


def tell(
    selected: Sequence[Selected],
    extractor: Callable[[str], Extractor],
    sets: dict[str, ImageSet | None],
    samples: Callable[[str], int],
    shape: tuple[int, ...],
) -> None:
    """Logs a line for each feature network that will take more than a minute on this CPU, once for the same work.

    Args:
      selected: the metrics to compute.
      sets: "real" and "train" -> the set.
      samples: view -> the number of images that the view makes.
      shape: (H, W, C) of the images.
    """
    if jax.default_backend() != "cpu" or len(shape) != 3:
        return
    for name in dict.fromkeys(metric.extractor for metric in selected if metric.extractor):
        metrics = [metric for metric in selected if metric.extractor == name]
        made = sum(samples(view) for view in {metric.view for metric in metrics})
        missing = {"real": 0, "train": 0}
        for use in {use for metric in metrics for use in getattr(metric.module, "USES", ())}:
            owner, kind = use.partition(":")[0].split(".")
            if kind in ("statistics", "features") and sets[owner] is not None:
                missing[owner] = max(missing[owner], sets[owner].missing(name, kind))
        _log_once(extractor(name), shape, made, sum(missing.values()))


def tell_likelihood(facts: dict, images: int) -> None:
    """Logs a line if a log-likelihood takes more than a hundred gradients of the network for each image.

    Args:
      facts: facts about the view "log_likelihood". Its `gradients` are those of one draw, and `samples` its draws.
    """
    gradients = facts.get("gradients", 0) * facts.get("samples", 1)
    if gradients > _MANY_GRADIENTS:
        log.info(
            "evaluation: the log-likelihood takes %s gradients of the network for each of %s images. Fewer: "
            "config.evaluation.likelihood_samples=1, config.recipe.likelihood_steps, config.evaluation.num_samples",
            f"{gradients:,}",
            f"{images:,}",
        )


@functools.cache
def _log_once(extractor: Extractor, shape: tuple[int, ...], made: int, real: int) -> None:
    if made + real < _FEW:
        return
    rate = _images_per_second(extractor, shape)
    if (made + real) / rate < _WORTH_A_LINE:
        return
    once = f", and {real:,} real images {_duration(real / rate)}, once for all runs on these images" if real else ""
    log.info(
        "evaluation: %s sees %.0f images/s on this CPU: %d generated images take about %s%s. A smaller "
        "evaluation.num_samples takes less%s",
        extractor.label or extractor.name,
        rate,
        made,
        _duration(made / rate),
        once,
        ", and so does evaluation.extractor=efficientnet_lite0" if extractor.name == "inception" else "",
    )


@functools.cache
def _images_per_second(extractor: Extractor, shape: tuple[int, ...]) -> float:
    images = np.zeros((_TIMED, *shape), np.uint8)
    jax.block_until_ready(extractor.apply(images))
    begun = time.perf_counter()
    jax.block_until_ready(extractor.apply(images))
    return _TIMED / (time.perf_counter() - begun)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"
