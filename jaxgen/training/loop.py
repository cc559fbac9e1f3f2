"""The training loop: dispatches compiled steps and, at the cadences of the config, logs, draws, evaluates and saves.

It knows recipes by `jaxgen.recipes.base.Recipe` alone, and devices not at all.
"""

import contextlib
import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen import pictures
from jaxgen.errors import UserError
from jaxgen.training import diagnostics, parallel, point_samples, timing
from jaxgen.training.alarms import Watch
from jaxgen.training.checkpoint import Checkpoints
from jaxgen.training.logging import MetricsFile, Progress, TensorBoard
from jaxgen.training.views import Views
from jaxgen.training.workdir import write_atomic

log = logging.getLogger(__name__)


class Run(NamedTuple):
    """Everything the loop works with.

    config: the whole config.
    workdir: locked and bound to it.
    steps: the compiled program of `config.steps_per_dispatch` steps; None where no step is left to do.
    flops_per_step: of all devices.
    images, labels: training split on the devices.
    test_images: uint8 [n, H, W, C] (or vectors) on the host, for reconstructions and for pictures of points.
    evaluate: `(players, num_samples) -> {name: value}`, for evaluations during training.
    """

    config: Any
    workdir: Path
    steps: parallel.CompiledSteps | None
    flops_per_step: float
    images: jax.Array
    labels: jax.Array | None
    test_images: np.ndarray
    views: Views
    checkpoints: Checkpoints
    clock: timing.Clock
    evaluate: Callable
    stop: threading.Event


@contextlib.contextmanager
def listening(stop: threading.Event) -> Iterator[None]:
    """Within the block SIGTERM and Ctrl-C ask the run to save and end; a second Ctrl-C ends it at once."""

    def ask(number, frame):
        del frame
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_over(config, step: int, clock: timing.Clock) -> bool:
    """Whether training has come to its end: the last step is done, or `budget.seconds` of steps are spent."""
    return step >= config.steps or 0 < config.budget.seconds <= clock.seconds["step"]


def goal(config) -> str:
    """How many steps there are to be, in words."""
    return f"as many as {config.budget.seconds:g} s hold" if config.budget.seconds else f"{config.steps}"


def train(
    run: Run, state: parallel.TrainState, window: dict[str, list[float]], watch: Watch
) -> tuple[parallel.TrainState, bool]:
    """Trains to `config.steps`, or until `config.budget.seconds` are spent.

    Args:
      run: the parts.
      state: where to go on from.
      window: values since the last line of metrics.jsonl, from the checkpoint.
      watch: the alarms, as the checkpoint knows them.

    Returns:
      The state at the end, and whether the run is complete (False: it was asked to stop, and has saved).

    Raises:
      UserError: a loss is no number, the disk is full, or an alarm stops the run, which is saved then.
    """
    config, step = run.config, int(state.step)
    primary = parallel.is_primary()
    files = _Files(run, step) if primary else None
    if files is not None:
        watch.record(run.workdir, step)  # without what a killed run saw after the checkpoint
    progress = Progress(config.steps, step, config.batch_size, seconds=config.budget.seconds) if primary else None
    pending: list[tuple[int, dict[str, jax.Array]]] = []
    stopped = False  # by an alarm
    over = is_over(config, step, run.clock)

    def drain(leave: int) -> None:
        while len(pending) > leave:
            first, metrics = pending.pop(0)
            values = {name: np.asarray(value, np.float64).tolist() for name, value in jax.device_get(metrics).items()}
            diagnostics.check_finite(first, values, _what_is_kept(run))
            for name, series in values.items():
                window.setdefault(name, []).extend(series)
            if progress is not None:
                count = len(next(iter(values.values())))
                last = {name: series[-1] for name, series in values.items()}
                progress.update(first + count - 1, last, watch.active, spent=run.clock.seconds["step"])

    try:
        while not over:
            with run.clock.measure("step"):
                state, metrics = run.steps.run(state, run.images, run.labels)
                pending.append((step + 1, metrics))
                step += config.steps_per_dispatch
                drain(1)  # one dispatch stays under way while the numbers of the one before are read
            over, asked = _is_over_everywhere(run, step), _asked_to_stop(run, step)
            due = {name: _due(step, every, over) for name, every in _cadences(config).items()}
            due["checkpoint"] |= over  # the end is always kept
            if asked or any(due.values()):
                with run.clock.measure("step"):
                    drain(0)
            if due["log"]:
                values = {name: float(np.mean(series)) for name, series in window.items()}
                news = watch.judge(step, window, values)
                window.clear()
                # Each process judges the same numbers; where their rounding may differ, one is enough to stop all.
                stopped = not over and bool(config.alarms.stop) and parallel.anywhere(bool(watch.stopping()))
                if files is not None:
                    files.line(step, values)
                    files.alarms(step, watch, news)
            if due["samples"] and files is not None:
                with run.clock.measure("samples"):
                    files.samples(step, state.players)
            if due["histograms"] and files is not None:
                files.tensorboard.histograms(step, parallel.local(state.players))
            results = {}
            if due["evaluation"] and not over:
                with run.clock.measure("evaluation"):
                    results = _evaluate_everywhere(run, state.players)
                if files is not None:
                    files.line(step, results)
            if due["checkpoint"] or asked or stopped:
                with run.clock.measure("checkpoint"):
                    if files is not None:
                        files.metrics.sync()
                    meta = {
                        "step": step,
                        "window": window,
                        "alarms": watch.state(),
                        "seconds": run.clock.seconds,
                        "flops_per_step": run.flops_per_step,
                    }
                    run.checkpoints.save(step, state, meta, results)
            if asked or stopped:
                break
        with run.clock.measure("checkpoint"):
            run.checkpoints.wait()
    finally:
        if progress is not None:
            progress.close()
        if files is not None:
            files.close(step)
            watch.record(run.workdir, step)
    if stopped:
        raise UserError(watch.stopping() or "stopped by an alarm of another process; the state is saved")
    return state, over


def _cadences(config) -> dict[str, int]:
    return {
        "log": config.log_every,
        "samples": config.sample_every,
        "histograms": config.histogram_every,
        "evaluation": config.eval_every,
        "checkpoint": config.checkpoint_every,
    }


def _due(step: int, every: int, over: bool) -> bool:
    return bool(every) and (step % every == 0 or over)


def _is_over_everywhere(run: Run, step: int) -> bool:
    """`is_over`; where the processes' clocks differ, one is enough, and they agree at log steps only."""
    if step < run.config.steps and jax.process_count() > 1 and run.config.budget.seconds:
        return step % run.config.log_every == 0 and parallel.anywhere(is_over(run.config, step, run.clock))
    return is_over(run.config, step, run.clock)


def _asked_to_stop(run: Run, step: int) -> bool:
    if jax.process_count() == 1:
        return run.stop.is_set()
    # Processes agree at log steps only: agreeing costs a message.
    return step % run.config.log_every == 0 and parallel.anywhere(run.stop.is_set())


def _evaluate_everywhere(run: Run, players) -> dict[str, float]:
    """The primary process evaluates, the others wait; all learn the numbers, since checkpoints are ranked by them."""
    results = run.evaluate(players, run.config.evaluation.num_samples_in_training) if parallel.is_primary() else {}
    return parallel.share(results)


def _what_is_kept(run: Run) -> str:
    steps = run.checkpoints.steps()
    return f"the last good checkpoint is step {steps[-1]}" if steps else "there is no checkpoint yet"


class _Files:
    """What the loop writes beside checkpoints."""

    def __init__(self, run: Run, resumed_at: int):
        self._run = run
        self.metrics = MetricsFile(run.workdir / "metrics.jsonl", resumed_at, run.config.seed)
        self.tensorboard = TensorBoard(run.workdir / "tensorboard", resumed_at)

    def line(self, step: int, values: dict[str, float]) -> None:
        self.metrics.write(step, values)
        speed = timing.summary(self._run.clock, step, self._run.config.batch_size, self._run.flops_per_step)
        self.tensorboard.scalars(step, {**values, "speed/images_per_s": speed["images_per_s"]})

    def samples(self, step: int, players) -> None:
        run = self._run
        picture = write_samples(run.config, run.views, players, run.workdir / "samples", step, run.test_images)
        self.tensorboard.image(step, "samples", picture)
        if "reconstruct" in run.views.names:
            picture = reconstruction_grid(run.views, players, run.test_images)
            pictures.save(picture, run.workdir / "samples" / f"reconstructions_{step:07d}.png")
            self.tensorboard.image(step, "reconstructions", picture)

    def alarms(self, step: int, watch: Watch, news: list[str]) -> None:
        for text in news:
            log.warning(text)
        if news:
            watch.record(self._run.workdir, step)

    def close(self, step: int) -> None:
        self.metrics.sync()
        self.metrics.close()
        self.tensorboard.close()
        write_timing(self._run, step)


def write_timing(run: Run, step: int) -> dict[str, float | None]:
    """timing.json: seconds by kind, speed, memory; returns the same."""
    values = timing.summary(run.clock, step, run.config.batch_size, run.flops_per_step)
    write_atomic(run.workdir / "timing.json", json.dumps(values, indent=1) + "\n")
    return values


def fixed_key(config) -> jax.Array:
    """The key of the latents that every grid of a run shares."""
    return jax.random.fold_in(jax.random.key(config.seed), 3)


def write_samples(config, views: Views, players, folder: Path, step: int, real: np.ndarray):
    """Writes step_*.png into `folder`: a grid of images, or what there is to see of points (beside the `real` ones)."""
    if "points" in views.names:
        return point_samples.write(folder, step, views, players, fixed_key(config), real)
    picture = sample_grid(config, views, players)
    pictures.save(picture, folder / f"step_{step:07d}.png")
    return picture


def sample_grid(config, views: Views, players):
    """The same latents at every call, so that the grids of a run can be leafed through."""
    count = config.sample.rows * config.sample.columns
    images = np.asarray(views.sample(players, fixed_key(config), np.arange(count)))
    return pictures.grid(images, config.sample.columns)


def reconstruction_grid(views: Views, players, images: np.ndarray, count: int = 32):
    """Pairs: a test image, and its reconstruction beside it."""
    images = images[:count]
    return pictures.pairs(images, np.asarray(views.reconstruct(players, images)))


def interpolation_grid(config, views: Views, players, columns: int = 10):
    """Each row leads from one latent to another."""
    images = views.interpolate(players, fixed_key(config), config.sample.rows, columns)
    return pictures.grid(images, columns)
