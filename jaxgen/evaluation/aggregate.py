"""Combines the evaluations of several seeds: mean, standard deviation, interval, best and worst of each number."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from jaxgen.metrics import direction

CONFIDENCE = 0.95
# Of the records of single seeds; the aggregate has its own in their place.
_OF_ONE_SEED = ("value", "spread", "spread_kind", "seconds", "seconds_view", "note")


def over_seeds(evaluations: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """The contents of `evaluation.json` for several seeds.

    Args:
      evaluations: seed -> the contents of its own evaluation.json.

    Returns:
      {metric: {value: mean, spread: standard deviation (ddof 1), interval: [low, high], best, worst: {seed, value},
      seeds: {"seed": value}, seconds: sum over seeds, further entries equal in all records}, "_skipped": {metric:
      reason}}.
      If a seed has no finite number, there is no mean, and a note names the seed.
    """
    names = dict.fromkeys(name for results in evaluations.values() for name in results if not name.startswith("_"))
    skipped = {name: reason for results in evaluations.values() for name, reason in results.get("_skipped", {}).items()}
    records = {name: {seed: r[name] for seed, r in evaluations.items() if name in r} for name in names}
    return {**{name: _record(by_seed, evaluations) for name, by_seed in records.items()}, "_skipped": skipped}


def means_and_spreads(together: Mapping[str, Any]) -> dict[str, float]:
    """The plain numbers of what `over_seeds` gives: the mean of each metric, and `<metric>_spread`."""
    numbers = {}
    for name, entry in together.items():
        for key, ending in (("value", ""), ("spread", "_spread")):
            if not name.startswith("_") and isinstance(entry.get(key), int | float):
                numbers[f"{name}{ending}"] = float(entry[key])
    return numbers


class Summary(NamedTuple):
    """Mean, standard deviation (ddof 1) and 95% interval of the mean of n values. The last two are None if n is 1."""

    n: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None

    @property
    def error(self) -> float | None:
        """Standard error of the mean."""
        return None if self.deviation is None else self.deviation / math.sqrt(self.n)


def summarise(values: Sequence[float]) -> Summary:
    """Mean of at least one value, with an interval from Student's t with n - 1 degrees of freedom."""
    array = np.asarray(values, np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return Summary(len(array), mean, None, None, None)
    deviation = 0.0 if equal(array) else float(array.std(ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(array) - 1)) * deviation / math.sqrt(len(array))
    return Summary(len(array), mean, deviation, mean - half, mean + half)


def equal(values: Sequence[float]) -> bool:
    """Whether all numbers are equal except for rounding."""
    return bool(np.ptp(values) <= 1e-12 * np.max(np.abs(values)))


def _record(by_seed: Mapping[int, Mapping[str, Any]], evaluations: Mapping[int, Any]) -> dict[str, Any]:
    values = {seed: record["value"] for seed, record in by_seed.items()}
    missing = [seed for seed in evaluations if values.get(seed) is None]
    known = {seed: value for seed, value in values.items() if value is not None}
    first = next(iter(by_seed.values()))
    same = {
        key: value
        for key, value in first.items()
        if key not in _OF_ONE_SEED and all(record.get(key) == value for record in by_seed.values())
    }
    record: dict[str, Any] = {"value": None, "spread": None, "interval": None}
    if not missing:
        mean = summarise(list(known.values()))
        interval = None if mean.low is None else [mean.low, mean.high]
        record = {"value": mean.mean, "spread": mean.deviation, "interval": interval}
    record["spread_kind"] = "standard deviation over seeds"
    record |= _extremes(known, missing, first["direction"])
    record["seeds"] = {str(seed): values.get(seed) for seed in evaluations}
    record |= same
    record["seconds"] = round(sum(each["seconds"] for each in by_seed.values()), 3)
    notes = [f"seed {seed}: {each['note']}" for seed, each in by_seed.items() if each.get("note")]
    if missing:
        notes.append(f"no finite number for seed {', '.join(map(str, missing))}, so no mean")
    return record | ({"note": "; ".join(notes)} if notes else {})


def _extremes(known: Mapping[int, float], missing: list[int], better: str) -> dict[str, Any]:
    """Best and worst seed; a seed without a number is the worst. None where no direction is better."""
    if not direction.is_ranked(better) or not known:
        return {"best": None, "worst": None}
    ranked = sorted(known, key=lambda seed: direction.loss(better, known[seed]))
    worst = missing[0] if missing else ranked[-1]
    return {
        "best": {"seed": ranked[0], "value": known[ranked[0]]},
        "worst": {"seed": worst, "value": known.get(worst)},
    }
