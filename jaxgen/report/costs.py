"""The cost of a model as a table: time, speed, memory, arithmetic. Also its quality over the training time."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from jaxgen.report.comparison import MetricTable
from jaxgen.report.formatting import duration, finite, large, rounded, significant
from jaxgen.report.grids import NOTHING, Cell, Grid
from jaxgen.report.metric import Metric
from jaxgen.report.run_record import RunRecord
from jaxgen.report.sections import Model, Section

# Of timing.json.
_TIMINGS = ["compile_seconds", "step_ms", "images_per_s", "evaluation_seconds", "host_peak_memory_mb"]
_TIMINGS += ["device_peak_memory_mb", "flops_per_step"]


class ModelCost(NamedTuple):
    """Means over a model's runs. None if no file has the number.

    timings: entries of _TIMINGS, by their names. train_seconds: compilation and steps. If seeds share a program,
      seconds and FLOPs are the share of one seed. flops: of the whole training.
    shared: number of seeds in the program, or 1. hardware: all hardware of the runs.
    """

    timings: dict[str, float | None]
    train_seconds: float | None
    parameters: int | None
    flops: float | None
    shared: int
    hardware: tuple[str, ...]


def train_seconds(run: RunRecord) -> float | None:
    """Compilation and steps of a run."""
    steps = finite(run.timing.get("step_seconds"))
    if steps is None:
        return None
    return steps + (finite(run.timing.get("compile_seconds")) or 0.0)


def model_cost(model: Model) -> ModelCost:
    """Means over a model's finished runs with the number. Over all runs if none is finished."""
    runs = [run for run in model.runs if run.finished] or model.runs
    timings = {name: _mean(run.timing.get(name) for run in runs) for name in _TIMINGS}
    parameters = _mean(map(_parameter_count, runs))
    steps = [run.step for run in runs] if timings["flops_per_step"] is not None else []
    return ModelCost(
        timings,
        train_seconds=_mean(map(train_seconds, runs)),
        parameters=None if parameters is None else round(parameters),
        flops=_mean(step and timings["flops_per_step"] * step for step in steps),
        shared=max(run.lanes for run in runs),
        hardware=tuple(sorted({hardware(run) for run in runs} - {""})),
    )


def _mean(values: Iterable[object]) -> float | None:
    known = [value for value in map(finite, values) if value is not None]
    return float(np.mean(known)) if known else None


def _parameter_count(run: RunRecord) -> int | None:
    """Trained parameters of all networks of a run."""
    counts = run.facts.get("parameters")
    known = isinstance(counts, dict) and all(isinstance(count, int) for count in counts.values())
    return sum(counts.values()) if known else None


def hardware(run: RunRecord) -> str:
    """Machine and devices in words, "" if unknown."""
    device = run.facts.get("device")
    parts = [str(run.facts["machine"])] if run.facts.get("machine") else []
    if isinstance(device, dict) and device.get("kind"):
        parts.append(f"{device.get('count', 1)} {device['kind']} device{'s' * (device.get('count', 1) != 1)}")
    return ", ".join(parts)


def curve(run: RunRecord, metric: Metric) -> list[tuple[float, float]]:
    """(training seconds, value) of the evaluations during training, and of the last evaluation.

    metrics.jsonl has steps and no times, so each step counts the mean time of all steps, after the compilation.
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
        step = run.origins[metric.key].step if metric.key in run.origins else None
        points.append((compiling + (steps if step is None else step) * per_step, final))
    return sorted(points, key=lambda point: point[0])  # an evaluation may be of an earlier checkpoint than the last


def efficiency(section: Section, costs: Mapping[int, ModelCost], table: MetricTable | None) -> Grid:
    """Time, speed, memory and arithmetic of every model."""
    heads = [Cell("model"), Cell("time to train", "a seed"), Cell("of it compiling"), Cell("step"), Cell("images/s")]
    heads += [Cell("peak memory", "host"), Cell("peak memory", "device"), Cell("parameters"), Cell("FLOPs", "a step")]
    heads += [Cell("FLOPs", "training"), Cell("evaluation")]
    goal = _goal(section, table)
    if goal is not None:
        heads.append(Cell("time to reach", f"{table.metric.title} {rounded(goal)}"))
    grid = Grid("Cost of the models, means over seeds", heads, [])
    for model in section.models:
        c = costs[model.number]
        timings = c.timings
        shared = f"{c.shared} seeds in one program" if c.shared > 1 else ""
        cells = [Cell(model.name, shared, anchor=model.slug)]
        step = "–" if timings["step_ms"] is None else f"{significant(timings['step_ms'], 3)} ms"
        texts = [duration(c.train_seconds), duration(timings["compile_seconds"]), step, _whole(timings["images_per_s"])]
        texts += [_memory(timings[f"{of}_peak_memory_mb"]) for of in ("host", "device")] + [large(c.parameters)]
        texts += [large(timings["flops_per_step"]), large(c.flops), duration(timings["evaluation_seconds"] or None)]
        cells += map(Cell, texts)
        if goal is not None:
            # Of each curve that comes there, the first time at which it is at the goal or better.
            loss, curves = table.metric.loss, [curve(run, table.metric) for run in model.runs]
            good = [[time for time, value in points if loss(value) <= loss(goal)] for points in curves]
            known = [times[0] for times in good if times]
            part = "" if len(known) == len(curves) else f"{len(known)} of {len(curves)} runs"
            cells.append(Cell(duration(sum(known) / len(known)), part) if known else NOTHING)
        grid.add(cells)
    hardware = sorted({name for c in costs.values() for name in c.hardware})
    if len(hardware) > 1:
        grid.notes.append(f"Trained on different hardware ({', '.join(hardware)}). Times and speeds do not compare.")
    elif hardware:
        grid.notes.append(f"All on: {hardware[0]}.")
    if goal is not None:
        grid.notes.append(
            "The goal is the worst of the models' last numbers, so that each model reaches it. It is measured on "
            "evaluation.num_samples_in_training samples. Each step counts the mean time of all steps."
        )
    if any(c.shared > 1 for c in costs.values()):
        grid.notes.append(
            "For seeds in one program, seconds and FLOPs are the share of one seed. Images/s and memory are of all."
        )
    return grid


def _goal(section: Section, table: MetricTable | None) -> float | None:
    """The worst last number of the curves, where two models or more have one."""
    if table is None or table.metric.direction == "none":
        return None
    ends = [[p[-1][1] for run in m.runs if (p := curve(run, table.metric))] for m in section.models]
    last = [max(values, key=table.metric.loss) for values in ends if values]
    return max(last, key=table.metric.loss) if len(last) > 1 else None


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else significant(value, 3)


def _memory(mb: float | None) -> str:
    return "–" if mb is None else f"{mb:,.0f} MiB" if mb < 10_000 else f"{mb / 1024:,.1f} GiB"
