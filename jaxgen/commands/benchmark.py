"""`--mode=benchmark`: times the compiled training step, within a stated time."""

import json
import logging
import statistics
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen.data.base import is_streamed
from jaxgen.devices import parallel, processes
from jaxgen.errors import UserError
from jaxgen.files.logs import start_log
from jaxgen.runs import session
from jaxgen.runs.session import Session
from jaxgen.settings import checks
from jaxgen.training.batches import DispatchData
from jaxgen.training.compiled_steps import CompiledSteps
from jaxgen.training.lanes import seed_argument
from jaxgen.training.run import host_peak_memory_mb
from jaxgen.training.streamed_split import TrainingData

log = logging.getLogger(__name__)

# The whole dispatch of a config is timed if this many of them fit into the time: one to warm up, and a few to compare.
_FITTING = 6
_PROGRESS_EVERY = 5.0


class Program(NamedTuple):
    """A compiled program of `steps` steps, its data, and its inputs of the data: one for each dispatch."""

    compiled: CompiledSteps
    steps: int
    data: TrainingData
    dispatches: Generator[DispatchData, None, None]


def benchmark(config, folder: Path, seconds: float = 60.0) -> str:
    """Times the training step and returns the result as one line of JSON. Writes nothing.

    Compiling comes on top of the time. The first program has one step. Its speed decides whether whole dispatches of
    the config are timed, or single steps.

    Args:
      config: the whole config.
      folder: not used.
      seconds: the time that the steps may take, at least one timed step.
    """
    del folder
    config = config.copy_and_resolve_references()
    with config.unlocked():  # Nothing is evaluated, so no feature network is loaded.
        config.evaluation.update({"metrics": (), "metrics_in_training": ()})
        config.best_metric = ""
    opened = session.open_session(config)
    checks.check_path_lengths(config, opened.recipe.part_multiple, parallel.data_devices(opened.mesh))
    start_log(None, show=True)
    state = parallel.init_state(opened.recipe, opened.mesh, seed_argument(config))
    program = compile_program(opened, state, 1)
    log.info("the first step ...")
    state, first = _timed(program, state)
    left = seconds - first
    log.info("first step: %.2f s", first)
    state, second = _timed(program, state)
    left -= second
    timed = [second]
    if whole_dispatches_fit(config.steps_per_dispatch, second, left):
        program, timed = compile_program(opened, state, config.steps_per_dispatch, program), []
        state, warm_up = _timed(program, state)
        left -= warm_up
    timed += time_dispatches(program, state, left, config.batch_size * config.num_seeds, bool(timed))
    result = {"first_step_s": round(first, 3), **_summary(config, opened, program, timed)}
    return json.dumps(result)


def whole_dispatches_fit(steps: int, step_seconds: float, left: float) -> bool:
    """Whether dispatches of `steps` steps can be timed in `left` seconds. The primary process decides for all."""
    return steps > 1 and processes.share(_FITTING * steps * step_seconds <= left)


def compile_program(opened: Session, state: parallel.TrainState, steps: int, before: Program | None = None) -> Program:
    """The program of `steps` training steps of the session's config, compiled, with its inputs from the first step.

    before: a program of the same session, which is used no more. It hands over data that lie on the devices.
    """
    config = opened.config.copy_and_resolve_references()
    config.steps_per_dispatch = steps
    opened = opened._replace(config=config)
    compiled = session.compile_steps(opened, state)
    log.info("compiled in %.1f s", compiled.compile_seconds)
    if before is not None:
        before.dispatches.close()
    kept = before is not None and not is_streamed(opened.train.images)
    data = before.data if kept else session.training_data(opened)
    return Program(compiled, steps, data, data.dispatches(0))


def time_dispatches(
    program: Program, state: parallel.TrainState, seconds: float, batch_size: int, have_one: bool = False
) -> list[float]:
    """Seconds of each dispatch until the time is over, at least one unless the caller has one. Shows progress.

    Streamed images are read in the meantime, as in training. The timing includes any wait for them.

    Args:
      program: warm.
      state: donated.
      seconds: duration of all dispatches. The last one can end later.
      batch_size: examples of a step, for the progress lines.
      have_one: whether no dispatch at all is enough.
    """
    timed: list[float] = []
    begun = shown = time.perf_counter()
    while processes.share((not timed and not have_one) or time.perf_counter() - begun < seconds):
        state, taken = _timed(program, state)
        timed.append(taken)
        now = time.perf_counter()
        if now - shown >= _PROGRESS_EVERY:
            shown, step = now, statistics.median(timed) / program.steps
            speed = f"{step:.3g} s a step, {batch_size / step:.4g} images/s"
            log.info("%.0f of %.0f s: %d steps, %s", now - begun, seconds, len(timed) * program.steps, speed)
    return timed


def _timed(program: Program, state: parallel.TrainState) -> tuple[parallel.TrainState, float]:
    """One dispatch, finished: the new state and seconds.

    Raises:
      UserError: a metric is not finite.
    """
    start = time.perf_counter()
    state, metrics = program.compiled.run(state, next(program.dispatches))
    jax.block_until_ready((state, metrics))
    taken = time.perf_counter() - start
    values = {name: np.asarray(value)[..., -1].tolist() for name, value in metrics.items()}
    if not all(np.all(np.isfinite(v)) for v in values.values()):
        raise UserError(f"the benchmark's training diverged ({values}). Its speed would mean nothing")
    return state, taken


def _summary(config, opened: Session, program: Program, timed: list[float]) -> dict[str, Any]:
    compiled, steps = program.compiled, program.steps
    step_ms = 1000 * statistics.median(timed) / steps
    device_peak = parallel.device_peak_memory_mb()
    count = len(timed) * steps
    _tell(config, program, count)
    result = {
        "compile_s": round(compiled.compile_seconds, 2),
        "step_ms": round(step_ms, 3),
        "step_ms_min": round(1000 * min(timed) / steps, 3),
        "step_ms_max": round(1000 * max(timed) / steps, 3),
        "steps_timed": count,
        "steps_per_dispatch": steps,
        "images_per_s": round(1000 * config.batch_size * config.num_seeds / step_ms, 1),
        "streamed": is_streamed(opened.train.images),
        "peak_memory_mb": round(device_peak if device_peak is not None else host_peak_memory_mb(), 1),
        "peak_memory_of": "host" if device_peak is None else "device",
        "flops_per_step": compiled.flops_per_step,
        "flops_of_busiest_step": compiled.flops_of_busiest_step,
        "all_reduces": compiled.collectives,
        "device": parallel.describe_devices(opened.mesh),
    }
    if config.num_seeds > 1:
        result["num_seeds"] = config.num_seeds
    return result


def _tell(config, program: Program, count: int) -> None:
    """Says what the numbers are not."""
    compiled = program.compiled
    if program.steps < config.steps_per_dispatch:
        log.info(
            "steps timed one by one: %d. Dispatches of %d steps would take too long. --seconds sets a longer time",
            count,
            config.steps_per_dispatch,
        )
    more = compiled.flops_of_busiest_step / compiled.flops_per_step if compiled.flops_per_step else 1.0
    if more > 1.01 and program.steps == 1:
        log.info("step_ms is that of most steps. The busiest step has %.2f times the average's operations", more)
