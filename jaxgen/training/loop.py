"""The training loop: dispatches compiled steps and, at the cadences of the config, logs, draws, evaluates and saves.

It knows recipes by `jaxgen.recipes.base.Recipe` alone, and devices not at all.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen import pictures
from jaxgen.errors import UserError
from jaxgen.training import budget, compiled_steps, parallel, point_samples, processes, timing
from jaxgen.training import lanes as of_lanes
from jaxgen.training.checkpoint import Checkpoints
from jaxgen.training.lanes import Lane
from jaxgen.training.logging import MetricsFile, Progress, TensorBoard
from jaxgen.training.stopping import Stop
from jaxgen.training.supply import Resident, Stream
from jaxgen.training.views import Views
from jaxgen.training.workdir import write_atomic

log = logging.getLogger(__name__)


class Run(NamedTuple):
    """Everything the loop works with.

    config: the whole config.
    workdir: locked and bound to it.
    mesh: where the state lies.
    steps: the compiled program of `config.steps_per_dispatch` steps; None where no step is left to do.
    flops_per_step: of all devices.
    supply: where the steps get their images from.
    test_images: uint8 [n, H, W, C] (or vectors) on the host, for reconstructions and for pictures of points.
    evaluate: `(lane, players of this lane, num_samples) -> {name: value}`, for evaluations during training.
    stop: asked after every dispatch.
    """

    config: Any
    workdir: Path
    mesh: jax.sharding.Mesh
    steps: compiled_steps.CompiledSteps | None
    flops_per_step: float
    supply: Resident | Stream
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


def goal(config) -> str:
    """How many steps there are to be, in words."""
    return f"as many as {config.budget.seconds:g} s hold" if config.budget.seconds else f"{config.steps}"


def train(run: Run, state: parallel.TrainState, lanes: tuple[Lane, ...]) -> tuple[parallel.TrainState, bool]:
    """Trains to `config.steps`, or until `config.budget.seconds` are spent.

    Args:
      run: the parts.
      state: where to go on from.
      lanes: its seeds, with what the checkpoint knows of each.

    Returns:
      The state at the end, and whether the run is complete (False: it was asked to stop, and has saved).

    Raises:
      UserError: a loss is no number, the disk is full, or an alarm stops the run, which is saved then.
    """
    config, step = run.config, int(state.step)
    primary = processes.is_primary()
    files = _Files(run, lanes, step) if primary else None
    _record(lanes, step, primary)  # without what a killed run saw after the checkpoint
    progress = (
        Progress(config.steps, step, config.batch_size * len(lanes), seconds=config.budget.seconds) if primary else None
    )
    pending: list[tuple[int, dict[str, jax.Array]]] = []
    stopped = False  # by an alarm
    over = is_over(config, step, run.clock)

    def drain(leave: int) -> None:
        while len(pending) > leave:
            first, metrics = pending.pop(0)
            values = {name: np.asarray(value, np.float64) for name, value in jax.device_get(metrics).items()}
            last = of_lanes.take_note(lanes, first, values, _what_is_kept(run))
            if progress is not None:
                count = next(iter(values.values())).shape[-1]
                progress.update(first + count - 1, last, of_lanes.active_alarms(lanes), spent=run.clock.seconds["step"])

    try:
        while not over:
            with run.clock.measure("step"):
                state, metrics = run.steps.run(state, *run.supply.take(step))
                pending.append((step + 1, metrics))
                step += config.steps_per_dispatch
                drain(1)  # one dispatch stays under way while the numbers of the one before are read
                if is_over(config, step, run.clock, under_way=len(pending) * config.steps_per_dispatch):
                    drain(0)  # to know the seconds
            over, asked = _is_over_everywhere(run, step), run.stop(step)
            due = {name: _due(step, every, over) for name, every in _cadences(config).items()}
            due["checkpoint"] |= over  # the end is always kept
            if asked or any(due.values()):
                with run.clock.measure("step"):
                    drain(0)
            if due["log"]:
                values, news = _judge(lanes, step)
                # Each process judges the same numbers; where their rounding may differ, one is enough to stop all.
                why = of_lanes.stopping(lanes) if not over and config.alarms.stop else None
                stopped = not over and bool(config.alarms.stop) and processes.anywhere(bool(why))
                if files is not None:
                    files.lines(step, values)
                    files.alarms(step, news)
            if due["samples"] and files is not None:
                with run.clock.measure("samples"):
                    files.samples(step, state.players)
            if due["histograms"] and files is not None:
                files.histograms(step, state.players)
            results = {}
            if due["evaluation"] and not over:
                with run.clock.measure("evaluation"):
                    measured = _evaluate_everywhere(run, lanes, state.players)
                results = of_lanes.mean(measured)
                if files is not None:
                    files.lines(step, measured)
            if due["checkpoint"] or asked or stopped:
                with run.clock.measure("checkpoint"):
                    if files is not None:
                        files.metrics.sync()
                    meta = {
                        "step": step,
                        **of_lanes.to_save(lanes),
                        "seconds": run.clock.seconds,
                        "flops_per_step": run.flops_per_step,
                    }
                    run.checkpoints.save(step, state, meta, results)
            if asked or stopped:
                break
        with run.clock.measure("checkpoint"):
            run.checkpoints.wait()
    finally:
        run.supply.close()
        if progress is not None:
            progress.close()
        if files is not None:
            files.close(step)
        _record(lanes, step, primary)
    if stopped:
        raise UserError(of_lanes.stopping(lanes) or "stopped by an alarm of another process; the state is saved")
    return state, over


def _judge(lanes: tuple[Lane, ...], step: int) -> tuple[dict[int, dict[str, float]], dict[int, list[str]]]:
    """Each seed's line of metrics.jsonl, and what its alarms say to it; the windows are empty after it."""
    values, news = {}, {}
    for lane in lanes:
        values[lane.seed] = {name: float(np.mean(series)) for name, series in lane.window.items()}
        news[lane.seed] = lane.watch.judge(step, lane.window, values[lane.seed])
        lane.window.clear()
    return values, news


def _record(lanes: tuple[Lane, ...], step: int, primary: bool) -> None:
    for lane in lanes if primary else ():
        lane.watch.record(lane.folder, step)


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
        return step % run.config.log_every == 0 and processes.anywhere(is_over(run.config, step, run.clock))
    return is_over(run.config, step, run.clock)


def _evaluate_everywhere(run: Run, lanes: tuple[Lane, ...], players) -> dict[int, dict[str, float]]:
    """All processes share the work, and learn the numbers that the primary has: checkpoints are ranked by them."""
    measured = {}
    for lane in lanes:
        mine = lane.players(run.mesh, players)
        results = run.evaluate(lane, mine, run.config.evaluation.num_samples_in_training)
        measured[lane.seed] = processes.share(results)
    return measured


def _what_is_kept(run: Run) -> str:
    steps = run.checkpoints.steps()
    return f"the last good checkpoint is step {steps[-1]}" if steps else "there is no checkpoint yet"


class _Files:
    """What the loop writes beside checkpoints."""

    def __init__(self, run: Run, lanes: tuple[Lane, ...], resumed_at: int):
        self._run, self._lanes = run, lanes
        self.metrics = MetricsFile(run.workdir / "metrics.jsonl", resumed_at, run.config.seed)
        self._boards = {lane.seed: TensorBoard(board_of(run.workdir, lane), resumed_at) for lane in lanes}
        self._mean = TensorBoard(run.workdir / "tensorboard" / "mean", resumed_at) if len(lanes) > 1 else None

    def lines(self, step: int, values: dict[int, dict[str, float]]) -> None:
        """A line for each seed, and in TensorBoard their mean too."""
        speed = summary(self._run, step)["images_per_s"]
        for seed, numbers in values.items():
            self.metrics.write(step, numbers, seed)
            self._boards[seed].scalars(step, {**numbers, "speed/images_per_s": speed / len(values)})
        if self._mean is not None:
            self._mean.scalars(step, {**of_lanes.mean(values), "speed/images_per_s": speed})

    def samples(self, step: int, players) -> None:
        run = self._run
        for lane in self._lanes:
            mine, folder, board = lane.players(run.mesh, players), lane.folder / "samples", self._boards[lane.seed]
            board.image(step, "samples", write_samples(lane.config, run.views, mine, folder, step, run.test_images))
            if "reconstruct" in run.views.names:
                picture = reconstruction_grid(run.views, mine, run.test_images)
                pictures.save(picture, folder / f"reconstructions_{step:07d}.png")
                board.image(step, "reconstructions", picture)

    def histograms(self, step: int, players) -> None:
        for lane in self._lanes:
            self._boards[lane.seed].histograms(step, parallel.local(lane.players(self._run.mesh, players)))

    def alarms(self, step: int, news: dict[int, list[str]]) -> None:
        for lane in self._lanes:
            for text in news[lane.seed]:
                log.warning("%s%s", lane.told, text)
            if news[lane.seed]:
                lane.watch.record(lane.folder, step)

    def close(self, step: int) -> None:
        self.metrics.sync()
        self.metrics.close()
        for board in (*self._boards.values(), *filter(None, [self._mean])):
            board.close()
        write_timing(self._run, step)


def board_of(workdir: Path, lane: Lane) -> Path:
    """Where TensorBoard looks for the curves of a seed; each of several is a run of its own there."""
    return workdir / "tensorboard" / ("" if lane.index is None else f"seed_{lane.seed}")


def summary(run: Run, step: int) -> dict[str, float | None]:
    """Time, speed and memory so far, of all seeds together."""
    examples = run.config.batch_size * run.config.num_seeds
    return timing.summary(run.clock, step, examples, run.flops_per_step)


def write_timing(run: Run, step: int) -> dict[str, float | None]:
    """timing.json: seconds by kind, speed, memory; returns the same."""
    values = summary(run, step)
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
