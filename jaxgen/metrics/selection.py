"""Decides which of the configured metrics can be computed, under which names, and why others cannot."""

import functools
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import NamedTuple

from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.metrics import direction
from jaxgen.metrics.base import CHOSEN, PAIR_VIEWS, PATH_VIEWS, SAMPLE_VIEWS, USES_KNOWN, result_name
from jaxgen.metrics.extractors.automatic import AUTO, choose
from jaxgen.metrics.extractors.base import Extractor
from jaxgen.settings import lookup


class Selected(NamedTuple):
    """One number to compute. name: as configured. key: its result name. extractor: for `batch.features`, or None."""

    name: str
    key: str
    module: ModuleType
    view: str
    extractor: str | None


class Extractors:
    """The feature networks of one evaluation, each loaded once. The user's network has its own input path and weights.

    Args:
      settings: `config.evaluation`: extractor, resize, extractor_weights, allow_other_weights. The extractor "auto" is
        what `extractors.automatic.choose` says.
    """

    def __init__(self, settings: ConfigDict):
        self._settings = settings
        self._loaded: dict[str, Extractor] = {}

    def __call__(self, name: str) -> Extractor:
        if name not in self._loaded:
            network = lookup.module("metrics.extractors", name, "evaluation.extractor")
            keys = {"resize": "resize", "weights": "extractor_weights", "allow_other_weights": "allow_other_weights"}
            options = {option: self._settings[key] for option, key in keys.items() if self._settings.get(key)}
            # A metric bound to a network of its own takes that network as it usually is.
            self._loaded[name] = network.load(**(options if name == self.chosen else {}))
        return self._loaded[name]

    @functools.cached_property
    def chosen(self) -> str:
        """The name of the user's network."""
        name = self._settings.get("extractor") or "efficientnet_lite0"
        if name != AUTO:
            return name
        return choose(self._settings.get("resize", ""), self._settings.get("extractor_weights", "")).name


def select(
    modules: Mapping[str, ModuleType],
    offered: list[str],
    image_shape: tuple[int, ...],
    obstacle_to: Callable[[str], str],
    extractors: Extractors,
) -> tuple[list[Selected], dict[str, str]]:
    """The numbers that can be computed, and the reasons against the other metrics.

    Args:
      modules: metric modules, by the names that the user wrote.
      offered: names of the available views.
      image_shape: (H, W, C) of the images.
      obstacle_to: an input in a metric's `USES` -> "" if it is there, else the reason against it.

    Raises:
      UserError: an unknown extractor, or a metric that lacks a part.
    """
    selected, skipped = [], {}
    for name, module in modules.items():
        for attribute in ("NEEDS", "DIRECTION", "MIN_SAMPLES", "EXTRACTOR", "start"):
            lookup.need(module, attribute, "evaluation.metrics")
        if module.DIRECTION != "none" and not direction.is_ranked(module.DIRECTION):
            choices = 'lower, higher, none, or the best value, such as "0.5"'
            raise UserError(f"{module.__name__}: DIRECTION={module.DIRECTION!r}: choices: {choices}")
        groups = (PAIR_VIEWS, SAMPLE_VIEWS, PATH_VIEWS)
        wanted = next((group for group in groups if module.NEEDS in group), (module.NEEDS,))
        views = [view for view in wanted if view in offered]
        if reason := _obstacle(module, views, offered, image_shape, obstacle_to):
            skipped[name] = reason
            continue
        extractor = extractors.chosen if module.EXTRACTOR == CHOSEN else module.EXTRACTOR
        network = None if extractor is None else extractors(extractor)
        if network is not None and getattr(module, "LOGITS", False) and not network.classes:
            skipped[name] = (
                f"needs the classifier of {network.name}, which {network.weights_from} does not hold. Give the full "
                f"file by evaluation.extractor_weights (--extractor_weights)"
            )
            continue
        selected += [Selected(name, result_name(name, module, v, network), module, v, extractor) for v in views]
    by_key: dict[str, Selected] = {}
    for metric in selected:
        by_key.setdefault(metric.key, metric)
    return list(by_key.values()), skipped


def _obstacle(module: ModuleType, views: list[str], offered: list[str], image_shape, obstacle_to) -> str | None:
    if not views:
        more = ", --mode=project makes pairs by inversion" if module.NEEDS in PAIR_VIEWS else ""
        return f"needs the view {module.NEEDS!r}. The run offers {', '.join(offered) or 'no view'}{more}"
    for use in getattr(module, "USES", ()):
        if use.partition(":")[0] not in USES_KNOWN:
            raise UserError(f"{module.__name__}: USES names {use!r}. Known: {', '.join(USES_KNOWN)}")
        if reason := obstacle_to(use):
            return reason
    return getattr(module, "unsuitable", lambda shape: None)(image_shape)


def few_samples(metric: Selected, n_real: int | None, n_fake: int, allow: bool) -> dict:
    """Marks for a record about its number of images.

    Args:
      n_real: None if unknown (published statistics).

    Raises:
      UserError: there are fewer than the metric's minimum and `allow` is false, or so few that it does not exist.
    """
    minimum, fewest = metric.module.MIN_SAMPLES, getattr(metric.module, "FEWEST", 1)
    if allow and min(n_fake, n_fake if n_real is None else n_real) < fewest:
        real = "" if n_real is None else f"{n_real} real and "
        raise UserError(
            f"evaluation.metrics: {metric.name} does not exist for fewer than {fewest} images or rows, and has {real}"
            f"{n_fake} generated. Raise evaluation.num_samples (--num_samples), use a larger split, or leave "
            f"{metric.name} out"
        )
    n_real = None if metric.view in ("points", *PATH_VIEWS) else n_real  # those are compared with no real image
    if min(n_fake, n_fake if n_real is None else n_real) >= minimum:
        return {}
    if not allow:
        advice = getattr(metric.module, "FEW", "")
        real = "" if n_real is None else f"{n_real} real and "
        raise UserError(
            f"evaluation.metrics: {metric.name} needs at least {minimum} images and has {real}{n_fake} "
            f"generated{f' ({advice})' if advice else ''}. Raise evaluation.num_samples, use a larger split, or set "
            "evaluation.allow_few_samples=True (--allow_few_samples) to compute and mark it"
        )
    return {"few_samples": True, "min_samples": minimum}
