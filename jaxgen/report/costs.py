"""What a model costs: time, speed, memory, arithmetic; and how its quality rose with the time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxgen.report.groups import Model
from jaxgen.report.metric import Metric
from jaxgen.report.numbers import finite
from jaxgen.report.run import Run


class Cost(NamedTuple):
    """Of one run of a model, means over its runs; None where nobody knows.

    train_seconds: compilation and steps; of seeds that share a program seconds and FLOPs are one's part. flops: of the
      whole training.
    shared: how many seeds shared the program, 1 if none did. hardware: everything that ran it.
    """

    train_seconds: float | None
    compile_seconds: float | None
    step_ms: float | None
    images_per_s: float | None
    evaluation_seconds: float | None
    host_memory_mb: float | None
    device_memory_mb: float | None
    parameters: int | None
    flops_per_step: float | None
    flops: float | None
    shared: int
    hardware: tuple[str, ...]


def train_seconds(run: Run) -> float | None:
    """Compilation and steps of a run."""
    steps = finite(run.timing.get("step_seconds"))
    if steps is None:
        return None
    return steps + (finite(run.timing.get("compile_seconds")) or 0.0)


def cost(model: Model) -> Cost:
    """Means over the finished runs of a model that have the number; over all where none is finished."""
    runs = [run for run in model.runs if run.finished] or model.runs

    def mean(of: Callable[[Run], Any]) -> float | None:
        values = [value for run in runs if (value := finite(of(run))) is not None]
        return float(np.mean(values)) if values else None

    def timed(name: str) -> float | None:
        return mean(lambda run: run.timing.get(name))

    parameters = mean(lambda run: parameter_count(run))
    flops_per_step = timed("flops_per_step")
    return Cost(
        mean(train_seconds),
        timed("compile_seconds"),
        timed("step_ms"),
        timed("images_per_s"),
        timed("evaluation_seconds"),
        timed("host_peak_memory_mb"),
        timed("device_peak_memory_mb"),
        None if parameters is None else round(parameters),
        flops_per_step,
        mean(lambda run: None if flops_per_step is None or run.step is None else flops_per_step * run.step),
        max(run.lanes for run in runs),
        tuple(sorted({hardware(run) for run in runs} - {""})),
    )


def parameter_count(run: Run) -> int | None:
    """Trained parameters of all networks of a run."""
    counts = run.facts.get("parameters")
    if not isinstance(counts, dict) or not all(isinstance(count, int) for count in counts.values()):
        return None
    return sum(counts.values())


def hardware(run: Run) -> str:
    """Machine and devices in words, "" where nothing says."""
    device = run.facts.get("device")
    parts = [str(run.facts["machine"])] if run.facts.get("machine") else []
    if isinstance(device, dict) and device.get("kind"):
        parts.append(f"{device.get('count', 1)} {device['kind']} device{'s' * (device.get('count', 1) != 1)}")
    return ", ".join(parts)


def curve(run: Run, metric: Metric) -> list[tuple[float, float]]:
    """(training seconds, value) of the evaluations during training, the last one's after it.

    Lines of metrics.jsonl know steps, not times: a step counts the mean time of all, after the compilation.
    """
    seconds, steps = train_seconds(run), max((line["step"] for line in run.lines), default=0)
    if seconds is None or not steps:
        return []
    compiling = finite(run.timing.get("compile_seconds")) or 0.0
    per_step = (seconds - compiling) / steps
    points = [
        (compiling + line["step"] * per_step, float(line[metric.key]))
        for line in run.lines
        if finite(line.get(metric.key)) is not None
    ]
    final = finite((run.results.get(metric.key) or {}).get("value"))
    if points and final is not None:
        step = run.made[metric.key].step if metric.key in run.made else None
        points.append((compiling + (steps if step is None else step) * per_step, final))
    return sorted(points, key=lambda point: point[0])  # an evaluation may be of an earlier checkpoint than the last


def reached(points: list[tuple[float, float]], metric: Metric, goal: float) -> float | None:
    """The seconds after which a curve is first at the goal or better, None if it never is."""
    return next((time for time, value in points if value == goal or metric.better(value, goal)), None)
