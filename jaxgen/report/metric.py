"""A metric's title, meaning and better direction, from the metric's own module if there is one."""

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from jaxgen.metrics import direction
from jaxgen.settings import lookup

# What decides a leaderboard, best first: the first of these that the models have in common.
_DECIDING = ["fid", "fid_infinity", "kid", "c2st_forest", "tstr", "modes", "wasserstein_1d"]
_DECIDING += ["bits_per_dim", "coverage", "recall", "precision", "ssim", "psnr"]
# Metrics whose numbers through other networks than the canonical one have another name.
_PREFIXES = {"fd_infinity": "fid_infinity", "fd_": "fid", "classifier_score": "inception_score"}
_ARROWS = {"lower": "↓", "higher": "↑"}


class Metric(NamedTuple):
    """A number of evaluation.json.

    key: its key in the file. base: the metric's module. title, of: its title, and its network or latents.
    settings: keys of its record that must agree between comparable numbers.
    """

    key: str
    base: str
    title: str
    of: str
    unit: str
    meaning: str
    direction: str
    settings: tuple[str, ...]

    @property
    def arrow(self) -> str:
        """The better direction, or the best value."""
        return _ARROWS.get(self.direction, "" if self.target is None else f"→ {self.target:g}")

    @property
    def best(self) -> str:
        """The better direction in words, "" if neither is better."""
        if self.target is not None:
            return f"{self.target:g} is best"
        return f"{self.direction} is better" if self.direction in _ARROWS else ""

    @property
    def target(self) -> float | None:
        """The best value, if the metric has one between worse values."""
        return direction.target(self.direction)

    @property
    def measure(self) -> str:
        """The number for rankings and tests, in words."""
        return self.name if self.target is None else f"the distance of {self.name} from {self.target:g}"

    @property
    def name(self) -> str:
        """Title and network."""
        return f"{self.title} ({self.of})" if self.of else self.title

    def loss(self, value: float) -> float:
        """A number that is lower for better values."""
        return direction.loss(self.direction, value)

    def tested(self, values: Sequence[float]) -> list[float]:
        """The numbers for tests: the values, or their distances from the best value."""
        return [direction.distance(self.direction, value) for value in values]

    def standing(self, values: Sequence[float]) -> float:
        """The number for the ranking. Lower is better."""
        mean = float(np.mean(self.tested(values)))
        return mean if self.direction == "lower" or self.target is not None else -mean


def describe(key: str, record: Mapping[str, Any]) -> Metric:
    """The metric of a record. A metric without a module of jaxgen has its key as its name."""
    base = str(record.get("metric") or _base(key))
    base = "fid" if base == "fd_efficientnet_lite0" else base  # the same number by its two names
    # A user's own metric is not imported: a file of results must not make the report run code.
    module = importlib.import_module(f"jaxgen.metrics.{base}") if base in _built_in() else None
    # Files of earlier versions may know another direction than the metric's own.
    better = record.get("direction") if module is None else module.DIRECTION
    better = str(better) if direction.is_ranked(better) else "none"
    if module is None or not hasattr(module, "TITLE"):
        return Metric(key, base, key, "", str(record.get("unit") or ""), "", better, ())
    prefix, canonical = getattr(module, "PREFIX", base), getattr(module, "CANONICAL_TITLE", "")
    by_prefix = prefix != base and key.startswith(f"{prefix}_")
    of = key.removeprefix(prefix if by_prefix else base).strip("_")
    proper = key == base or (prefix != base and not by_prefix)  # the canonical network's number
    if not of and not canonical and record.get("extractor"):
        of = str(record["extractor"])
    title = canonical if canonical and proper else module.TITLE
    return Metric(key, base, title, of, module.UNIT, module.MEANING, better, getattr(module, "SETTINGS", ()))


@cache
def _built_in() -> frozenset[str]:
    return frozenset(lookup.choices("metrics"))


def _base(key: str) -> str:
    """The metric whose number `key` is, in files that do not say it: the longest name that it starts with."""
    for prefix, name in _PREFIXES.items():
        if key.startswith(prefix):
            return name
    fitting = [name for name in _built_in() if key == name or key.startswith(f"{name}_")]
    return max(fitting, key=len, default=key)


def deciding(metrics: Mapping[str, Metric], counts: Mapping[str, int], rank_by: str = "") -> str | None:
    """The key of the leaderboard's metric. None if no metric has a direction.

    Args:
      counts: key -> number of models with it. More models count more than the metrics' usual order.
      rank_by: a key or a metric's name that comes before all others, if the models have it.
    """
    order = {name: rank for rank, name in enumerate(_DECIDING)}
    ranked = [key for key, metric in metrics.items() if metric.direction != "none"]
    candidates = [key for key in ranked if rank_by in (key, metrics[key].base)] or ranked

    def standing(key: str) -> tuple:
        plain = key == metrics[key].base or key == f"fd_{metrics[key].of}"
        # Inversions tell what a model can show, not what it does: they decide where there is nothing else.
        return ("_inversion" in key, -counts[key], order.get(metrics[key].base, len(order)), not plain, key)

    return min(candidates, key=standing, default=None)
