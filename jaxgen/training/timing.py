"""Where the time of a run goes, over all its restarts, and what memory it took."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

KINDS = ("compile", "step", "data", "evaluation", "samples", "checkpoint")


class Clock:
    """Seconds spent on each kind of work.

    Args:
      before: seconds of earlier sessions of the same run.
    """

    def __init__(self, before: dict[str, float] | None = None):
        self.seconds = dict.fromkeys(KINDS, 0.0) | (before or {})

    @contextmanager
    def measure(self, kind: str) -> Iterator[None]:
        """Adds the block's wall time to `kind`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[kind] += time.perf_counter() - start


def host_peak_memory_mb() -> float:
    """Largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def share(values: dict[str, float | None], lanes: int) -> dict[str, float | None]:
    """A run's `summary` for each of its seeds: an equal share of seconds, steps and arithmetic.

    Speed and memory are the program's own; `lanes` says of how many seeds.
    """
    shared = {
        name: None if value is None else value / lanes
        for name, value in values.items()
        if name.endswith("_seconds") or name in ("step_ms", "flops_per_step")
    }
    return {**values, **shared, "lanes": lanes}
