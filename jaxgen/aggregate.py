"""Evaluations of several seeds as one: mean, standard deviation, interval, best and worst of each number."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

_CONFIDENCE = 0.95
# Of the records of single seeds; the aggregate has its own in their place.
_OF_ONE_SEED = ("value", "spread", "spread_kind", "seconds", "seconds_view", "note")


def over_seeds(evaluations: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """What `evaluation.json` says of several seeds.

    Args:
      evaluations: seed -> the contents of its own evaluation.json.

    Returns:
      {metric: {value: mean, spread: standard deviation (ddof 1), interval: [low, high], best, worst: {seed, value},
      seeds: {"seed": value}, seconds: of all, and whatever is the same in all records}, "_skipped": {metric: reason}}.
      Where a seed has no finite number there is no mean either, and a note names the seed.
    """
    names = dict.fromkeys(name for one in evaluations.values() for name in one if not name.startswith("_"))
    skipped = {name: reason for one in evaluations.values() for name, reason in one.get("_skipped", {}).items()}
    records = {name: {seed: one[name] for seed, one in evaluations.items() if name in one} for name in names}
    return {**{name: _record(by_seed, evaluations) for name, by_seed in records.items()}, "_skipped": skipped}


def summary(values: Mapping[int, float]) -> dict[str, Any]:
    """Mean, standard deviation and 95% interval of Student's t (normal values, unknown variance) of seeds' numbers."""
    numbers = np.array(list(values.values()), np.float64)
    mean, spread = float(numbers.mean()), None
    interval = None
    if len(numbers) > 1:
        spread = float(numbers.std(ddof=1))
        half = float(stats.t.ppf(0.5 + _CONFIDENCE / 2, len(numbers) - 1)) * spread / math.sqrt(len(numbers))
        interval = [mean - half, mean + half]
    return {"value": mean, "spread": spread, "interval": interval}


def _record(by_seed: Mapping[int, Mapping[str, Any]], evaluations: Mapping[int, Any]) -> dict[str, Any]:
    values = {seed: record["value"] for seed, record in by_seed.items()}
    missing = [seed for seed in evaluations if values.get(seed) is None]
    found = {seed: value for seed, value in values.items() if value is not None}
    first = next(iter(by_seed.values()))
    same = {
        key: value
        for key, value in first.items()
        if key not in _OF_ONE_SEED and all(record.get(key) == value for record in by_seed.values())
    }
    record: dict[str, Any] = {"value": None, "spread": None, "interval": None}
    if not missing:
        record = summary(found)
    record["spread_kind"] = "standard deviation over seeds"
    record |= _extremes(found, missing, first["direction"])
    record["seeds"] = {str(seed): values.get(seed) for seed in evaluations}
    record |= same
    record["seconds"] = round(sum(one["seconds"] for one in by_seed.values()), 3)
    notes = [f"seed {seed}: {one['note']}" for seed, one in by_seed.items() if one.get("note")]
    if missing:
        notes.append(f"no finite number for seed {', '.join(map(str, missing))}, so no mean")
    return record | ({"note": "; ".join(notes)} if notes else {})


def _extremes(found: Mapping[int, float], missing: list[int], direction: str) -> dict[str, Any]:
    """Best and worst seed; a seed without a number is the worst. None where no direction is better."""
    if direction not in ("lower", "higher") or not found:
        return {"best": None, "worst": None}
    ranked = sorted(found, key=lambda seed: found[seed] if direction == "lower" else -found[seed])
    worst = missing[0] if missing else ranked[-1]
    return {
        "best": {"seed": ranked[0], "value": found[ranked[0]]},
        "worst": {"seed": worst, "value": found.get(worst)},
    }
