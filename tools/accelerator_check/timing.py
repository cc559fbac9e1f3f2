"""Times functions that start work on a device, in turns, and shows which operations of a step take longest."""

import statistics
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import jax


class Timed(Protocol):
    """Something that trains. start: begins one dispatch. finish: waits for all that was begun. steps: of a dispatch."""

    steps: int

    def start(self) -> None: ...

    def finish(self) -> None: ...


def seconds_of_steps(sides: Mapping[str, Timed], *, rounds: int, at_least: float, multiple: int = 1) -> dict[str, list]:
    """Seconds of a step in each round. The sides take turns in every round.

    Args:
      sides: what to time. Each is run once before, to warm up.
      rounds: turns of each side.
      at_least: seconds of a turn.
      multiple: dispatches of a turn are a multiple of this, so that work of every k-th step has its share.
    """
    dispatches = {}
    for name, side in sides.items():
        _run(side, multiple)
        dispatches[name] = multiple * max(1, round(at_least / max(_run(side, multiple), 1e-6)))
    seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            seconds[name].append(_run(side, dispatches[name]) / (dispatches[name] * side.steps))
    return seconds


def median(seconds: list[float]) -> float:
    """The median, as milliseconds."""
    return 1000 * statistics.median(seconds)


def _run(side: Timed, dispatches: int) -> float:
    start = time.perf_counter()
    for _ in range(dispatches):
        side.start()
    side.finish()
    return time.perf_counter() - start


def longest_operations(side: Timed, folder: Path, dispatches: int, count: int = 15) -> list[dict]:
    """The device's operations that take longest, by jax.profiler: name, milliseconds of a dispatch, calls."""
    with jax.profiler.trace(str(folder)):
        _run(side, dispatches)
    nanoseconds, calls = Counter(), Counter()
    for line in _lines(folder):
        for event in line.events:
            nanoseconds[event.name] += event.duration_ns
            calls[event.name] += 1
    return [
        {"name": name[:120], "ms": round(spent / 1e6 / dispatches, 4), "calls": calls[name]}
        for name, spent in nanoseconds.most_common(count)
    ]


def _lines(folder: Path) -> list:
    """The lines of a trace that have the device's operations. Without a device, all lines of the host."""
    files = [jax.profiler.ProfileData.from_file(str(path)) for path in folder.rglob("*.xplane.pb")]
    planes = [plane for file in files for plane in file.planes]
    devices = [plane for plane in planes if plane.name.startswith("/device:")]
    lines = [line for plane in devices or planes for line in plane.lines]
    # Of a GPU, its streams. Other lines tell the same again, by module and by source.
    return [line for line in lines if line.name.startswith("Stream")] or lines
