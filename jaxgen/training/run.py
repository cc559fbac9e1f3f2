"""A training run: its parts, its end, its speed, and its output besides checkpoints."""

import json
import logging
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.devices import parallel
from jaxgen.devices.stopping import Stop
from jaxgen.files.logs import MetricsFile
from jaxgen.files.workdir import write_atomic
from jaxgen.pictures import image_grids
from jaxgen.settings import json_file
from jaxgen.settings.configuration import is_budget_spent
from jaxgen.trackers.feed import Trackers
from jaxgen.training.checkpoint import Checkpoints
from jaxgen.training.checkpoint_ranks import read_meta
from jaxgen.training.compiled_steps import CompiledSteps
from jaxgen.training.lanes import Lane
from jaxgen.training.streamed_split import TrainingData
from jaxgen.views.sample_grids import reconstruction_grid, write_samples
from jaxgen.views.views import Views, classes_for

log = logging.getLogger(__name__)
_KINDS = ("compile", "step", "data", "evaluation", "samples", "checkpoint")


class Clock:
    """Seconds spent on each kind of work, over all restarts of the run."""

    def __init__(self):
        self.seconds = dict.fromkeys(_KINDS, 0.0)

    @contextmanager
    def measure(self, kind: str) -> Iterator[None]:
        """Adds the block's wall time to `kind`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[kind] += time.perf_counter() - start


class TrainingRun(NamedTuple):
    """The parts of the loop.

    config: the whole config.
    workdir: locked, and bound to the config.
    mesh: placement of the state.
    steps: the compiled program of `config.steps_per_dispatch` steps. None if no step is left.
    flops_per_step: operations of all devices.
    data: the input of the steps.
    test_images: uint8 [n, H, W, C] (or vectors) on the host, for reconstructions and for pictures of points.
    test_labels: int32 [n], or None.
    evaluate: `(lane, players of this lane, num_samples) -> {name: value}`, for evaluations during training.
    stop: asked after every dispatch.
    trackers: they show nothing in all processes but the primary.
    """

    config: ConfigDict
    workdir: Path
    mesh: jax.sharding.Mesh
    steps: CompiledSteps | None
    flops_per_step: float
    data: TrainingData
    test_images: np.ndarray
    test_labels: np.ndarray | None
    views: Views
    checkpoints: Checkpoints
    clock: Clock
    evaluate: Callable
    stop: Stop
    trackers: Trackers


def is_over(config, step: int, clock: Clock, under_way: int = 0) -> bool:
    """Whether training is at its end: the last step is done, or `budget.seconds` of steps are spent.

    Args:
      under_way: the part of `step` whose seconds the clock does not know yet.
    """
    limit, spent = config.budget.seconds, clock.seconds["step"]
    return step >= config.steps or is_budget_spent(limit, spent, step, config.steps_per_dispatch, under_way)


def goal_of(config) -> str:
    """The number of steps of a config, in words."""
    return f"as many as {config.budget.seconds:g} s hold" if config.budget.seconds else f"{config.steps}"


def summary(run: TrainingRun, step: int) -> dict[str, float | None]:
    """Seconds by kind, speed, memory and arithmetic of `step` steps, of all seeds together, as timing.json has them."""
    return {
        **speed_of(run.config, run.clock.seconds, run.flops_per_step, step),
        "host_peak_memory_mb": round(host_peak_memory_mb(), 1),
        "device_peak_memory_mb": parallel.device_peak_memory_mb(),
    }


def speed_of(config, seconds: Mapping[str, float], flops: float, step: int) -> dict[str, float | None]:
    """The part of `summary` that the seconds, the FLOPs of a step (nan: unknown) and a number of steps tell."""
    spent, examples = seconds["step"], step * config.batch_size * config.num_seeds
    return {
        **{f"{kind}_seconds": round(value, 3) for kind, value in seconds.items()},
        "step_ms": round(1000 * spent / step, 3) if step else None,
        "images_per_s": round(examples / spent, 1) if spent and step else None,
        "flops_per_step": None if math.isnan(flops) else flops,
    }


def recorded_timing(config, folder: Path, step: int) -> dict[str, Any]:
    """The contents of timing.json. If it is missing or damaged: what the checkpoint of a step tells, with a warning."""
    path = folder / "timing.json"
    try:
        written = json_file.read_object(path)
        if all(isinstance(value, int | float | None) for value in written.values()):
            return written
        reason = "is unreadable: it holds values that are no numbers"
    except FileNotFoundError:
        if not step:
            return {}  # nothing was trained
        reason = "is missing"
    except json_file.Damaged as damage:
        reason = f"is unreadable: {damage}"
    try:
        meta = read_meta(folder / "checkpoints" / str(step))
        seconds = {kind: float(value) for kind, value in meta["seconds"].items()}
        flops = math.nan if meta["flops_per_step"] is None else float(meta["flops_per_step"])
        timing = speed_of(config, {**dict.fromkeys(_KINDS, 0.0), **seconds}, flops, step)
    except (json_file.Damaged, KeyError, TypeError, ValueError, AttributeError):
        log.warning("%s %s. The times of the training are unknown here", path, reason)
        return {}
    log.warning("%s %s. Its times come from the checkpoint, its memory is unknown", path, reason)
    return timing


def write_timing(run: TrainingRun, step: int) -> dict[str, float | None]:
    """Writes timing.json: seconds by kind, speed, memory. Returns the same."""
    values = summary(run, step)
    write_atomic(run.workdir / "timing.json", json.dumps(values, indent=1) + "\n")
    return values


def share_of_lane(values: dict[str, float | None], lanes: int) -> dict[str, float | None]:
    """A run's `summary` for each of its seeds: an equal share of seconds, steps and arithmetic.

    Speed and memory are those of the program. `lanes` is the number of seeds.
    """
    shared = {
        name: None if value is None else value / lanes
        for name, value in values.items()
        if name.endswith("_seconds") or name in ("step_ms", "flops_per_step")
    }
    return {**values, **shared, "lanes": lanes}


def host_peak_memory_mb() -> float:
    """Largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


class RunFiles:
    """The loop's output besides checkpoints."""

    def __init__(self, run: TrainingRun, lanes: tuple[Lane, ...], resumed_at: int):
        self._run, self._lanes = run, lanes
        self.metrics = MetricsFile(run.workdir / "metrics.jsonl", resumed_at, run.config.seed, run.config.log_every)

    def lines(self, step: int, values: dict[int, dict[str, float]]) -> None:
        """A line for each seed. Trackers show the speed of each, too."""
        speed = summary(self._run, step)["images_per_s"] / len(values)
        for seed, numbers in values.items():
            self.metrics.write(step, numbers, seed)
        shown = {seed: {**numbers, "speed/images_per_s": speed} for seed, numbers in values.items()}
        self._run.trackers.numbers(step, shown)

    def samples(self, step: int, players) -> None:
        run = self._run
        for lane in self._lanes:
            own, folder = lane.players(run.mesh, players), lane.folder / "samples"
            picture = write_samples(lane.config, run.views, own, folder, step, run.test_images)
            run.trackers.picture(step, lane.seed, "samples", picture)
            if "reconstruct" in run.views.names and _can_reconstruct(run):
                picture = reconstruction_grid(run.views, own, run.test_images, run.test_labels)
                image_grids.save(picture, folder / f"reconstructions_{step:07d}.png")
                run.trackers.picture(step, lane.seed, "reconstructions", picture)

    def histograms(self, step: int, players) -> None:
        run = self._run
        for lane in self._lanes if run.trackers.show_histograms else ():
            own = parallel.local(lane.players(run.mesh, players))
            run.trackers.histograms(step, lane.seed, dict(_named(own)))

    def send(self) -> None:
        """Gives the step's numbers and pictures to the trackers, after all of them are in the work directory."""
        self._run.trackers.send()

    def alarms(self, step: int, news: dict[int, list[str]]) -> None:
        for lane in self._lanes:
            for text in news[lane.seed]:
                log.warning("%s%s", lane.prefix, text)
            if news[lane.seed]:
                lane.watch.record(lane.folder, step)

    def close(self, step: int) -> None:
        self.metrics.sync()
        self.metrics.close()
        write_timing(self._run, step)


def _can_reconstruct(run: TrainingRun) -> bool:
    """Whether the test images have the classes that the view may need."""
    return run.test_labels is not None or not classes_for(run.views.reconstruct, None)


def _named(tree) -> Iterator[tuple[str, jax.Array]]:
    """The arrays of a tree, with the path to each as its name."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        yield "/".join(str(getattr(part, "key", getattr(part, "name", part))) for part in path), leaf
