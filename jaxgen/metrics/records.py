"""What a number's record in evaluation.json is made with: its seconds, and finite values only."""

import math
import time


class Clock:
    """Adds the time of its block to `totals[name]`."""

    def __init__(self, totals: dict[str, float], name: str):
        self._totals, self._name = totals, name

    def __enter__(self):
        self._start = time.perf_counter()

    def __exit__(self, *error):
        self._totals[self._name] += time.perf_counter() - self._start


def finite(record: dict) -> dict:
    """The record with null for each infinite or undefined number, since JSON has none, and a note that says so."""
    bad = {key: value for key, value in record.items() if isinstance(value, float) and not math.isfinite(value)}
    if not bad:
        return record
    told = "; ".join(f"{key} is {value}" for key, value in bad.items())
    return {**record, **dict.fromkeys(bad), "note": "; ".join(filter(None, [record.get("note"), told]))}
