"""`--mode=benchmark`: times the compiled training step."""

import json
import statistics
import time
from pathlib import Path

import jax
import numpy as np

from jaxgen.data.base import is_streamed
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.files.logs import start_log
from jaxgen.runs import session
from jaxgen.settings import checks
from jaxgen.training.lanes import seed_argument
from jaxgen.training.run import host_peak_memory_mb


def benchmark(config, folder: Path) -> str:
    """Times the compiled training step and returns the result as one line of JSON. Writes nothing."""
    del folder
    config = config.copy_and_resolve_references()
    with config.unlocked():  # Nothing is evaluated, so no feature network is loaded.
        config.evaluation.update({"metrics": (), "metrics_in_training": ()})
        config.best_metric = ""
    opened = session.open_session(config)
    checks.check_path_lengths(config, opened.recipe.part_multiple, parallel.data_devices(opened.mesh))
    start_log(None, show=True)
    state = parallel.init_state(opened.recipe, opened.mesh, seed_argument(config))
    data = session.training_data(opened)
    compiled = session.compile_steps(opened, state)
    seconds = time_dispatches(compiled, state, data, config.steps_per_dispatch)
    step_ms = 1000 * statistics.median(seconds)
    device_peak = parallel.device_peak_memory_mb()
    result = {
        "compile_s": round(compiled.compile_seconds, 2),
        "step_ms": round(step_ms, 3),
        "step_ms_min": round(1000 * min(seconds), 3),
        "step_ms_max": round(1000 * max(seconds), 3),
        "images_per_s": round(1000 * config.batch_size * config.num_seeds / step_ms, 1),
        "streamed": is_streamed(opened.train.images),
        "peak_memory_mb": round(device_peak if device_peak is not None else host_peak_memory_mb(), 1),
        "peak_memory_of": "host" if device_peak is None else "device",
        "flops_per_step": compiled.flops_per_step,
        "all_reduces": compiled.collectives,
        "device": parallel.describe_devices(opened.mesh),
    }
    if config.num_seeds > 1:
        result["num_seeds"] = config.num_seeds
    return json.dumps(result)


def time_dispatches(compiled, state, data, per_dispatch: int, at_least: float = 10.0) -> list[float]:
    """Seconds per step for each of several dispatches after a warm-up: at least five, and at least `at_least` seconds.

    Streamed images are read in the meantime, as in training. The timing includes any wait for them.
    """
    seconds: list[float] = []
    dispatches = data.dispatches(0)
    state, metrics = compiled.run(state, next(dispatches))
    jax.block_until_ready((state, metrics))
    begun = time.perf_counter()
    while len(seconds) < 5 or time.perf_counter() - begun < at_least:
        start = time.perf_counter()
        state, metrics = compiled.run(state, next(dispatches))
        jax.block_until_ready((state, metrics))
        seconds.append((time.perf_counter() - start) / per_dispatch)
    values = {name: np.asarray(value)[..., -1].tolist() for name, value in metrics.items()}
    if not all(np.all(np.isfinite(v)) for v in values.values()):
        raise UserError(f"the benchmark's training diverged ({values}). Its speed would mean nothing")
    return seconds
