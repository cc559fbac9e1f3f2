"""What a training run is made of, when it is over, and how fast it is."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgen.devices import parallel
from jaxgen.devices.stopping import Stop
from jaxgen.files.workdir import write_atomic
from jaxgen.settings import budget
from jaxgen.training import compiled_steps, timing
from jaxgen.training.checkpoint import Checkpoints
from jaxgen.training.streamed_split import TrainingData
from jaxgen.views.views import Views


class TrainingRun(NamedTuple):
    """Everything the loop works with.

    config: the whole config.
    workdir: locked and bound to it.
    mesh: where the state lies.
    steps: the compiled program of `config.steps_per_dispatch` steps; None where no step is left to do.
    flops_per_step: of all devices.
    data: what feeds the steps.
    test_images: uint8 [n, H, W, C] (or vectors) on the host, for reconstructions and for pictures of points.
    evaluate: `(lane, players of this lane, num_samples) -> {name: value}`, for evaluations during training.
    stop: asked after every dispatch.
    """

    config: ConfigDict
    workdir: Path
    mesh: jax.sharding.Mesh
    steps: compiled_steps.CompiledSteps | None
    flops_per_step: float
    data: TrainingData
    test_images: np.ndarray
    views: Views
    checkpoints: Checkpoints
    clock: timing.Clock
    evaluate: Callable
    stop: Stop


def is_over(config, step: int, clock: timing.Clock, under_way: int = 0) -> bool:
    """Whether training has come to its end: the last step is done, or `budget.seconds` of steps are spent.

    Args:
      under_way: of the `step` steps those whose seconds the clock does not know yet.
    """
    limit, spent = config.budget.seconds, clock.seconds["step"]
    return step >= config.steps or budget.is_spent(limit, spent, step, config.steps_per_dispatch, under_way)


def goal_of(config) -> str:
    """How many steps there are to be, in words."""
    return f"as many as {config.budget.seconds:g} s hold" if config.budget.seconds else f"{config.steps}"


def summary(run: TrainingRun, step: int) -> dict[str, float | None]:
    """Seconds by kind, speed, memory and arithmetic of `step` steps, of all seeds together, as timing.json has them."""
    seconds, flops = run.clock.seconds["step"], run.flops_per_step
    examples = step * run.config.batch_size * run.config.num_seeds
    return {
        **{f"{kind}_seconds": round(spent, 3) for kind, spent in run.clock.seconds.items()},
        "step_ms": round(1000 * seconds / step, 3) if step else None,
        "images_per_s": round(examples / seconds, 1) if seconds and step else None,
        "flops_per_step": None if math.isnan(flops) else flops,
        "host_peak_memory_mb": round(timing.host_peak_memory_mb(), 1),
        "device_peak_memory_mb": parallel.device_peak_memory_mb(),
    }


def write_timing(run: TrainingRun, step: int) -> dict[str, float | None]:
    """timing.json: seconds by kind, speed, memory; returns the same."""
    values = summary(run, step)
    write_atomic(run.workdir / "timing.json", json.dumps(values, indent=1) + "\n")
    return values
