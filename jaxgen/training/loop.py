"""The training loop: dispatches compiled steps and, at the cadences of the config, logs, draws, evaluates and saves.

It knows only the interface `jaxgen.recipes.base.Recipe`, and no devices.
"""

import jax
import numpy as np

from jaxgen.devices import parallel, processes
from jaxgen.errors import UserError
from jaxgen.files.logs import Progress, mean
from jaxgen.settings.checks import CADENCES
from jaxgen.training.alarms import NotFinite, forget_failure, record_failure
from jaxgen.training.lanes import Lane, active_alarms, stopping, take_note, to_save
from jaxgen.training.run import RunFiles, TrainingRun, is_over


def train(run: TrainingRun, state: parallel.TrainState, lanes: tuple[Lane, ...]) -> tuple[parallel.TrainState, bool]:
    """Trains to `config.steps`, or until `config.budget.seconds` are spent.

    Args:
      run: the parts of the run.
      state: the state to start from.
      lanes: its seeds, with their data from the checkpoint.

    Returns:
      The final state, and whether the run is complete. False means that it was asked to stop, and has saved.

    Raises:
      UserError: a loss is not finite, the disk is full, or an alarm stops the run, which is then saved.
    """
    config, step = run.config, int(state.step)
    primary = processes.is_primary()
    files = RunFiles(run, lanes, step) if primary else None
    _record(lanes, step, primary)  # without what a killed run saw after the checkpoint
    progress = (
        Progress(config.steps, step, config.batch_size * len(lanes), seconds=config.budget.seconds) if primary else None
    )
    pending: list[tuple[int, dict[str, jax.Array]]] = []
    dispatches = run.data.dispatches(step)
    stopped = False  # by an alarm
    over = is_over(config, step, run.clock)
    if primary and not over:
        forget_failure(run.workdir)

    def drain(leave: int) -> None:
        while len(pending) > leave:
            first, metrics = pending.pop(0)
            values = {name: np.asarray(value, np.float64) for name, value in jax.device_get(metrics).items()}
            saved = run.checkpoints.steps()
            kept = f"The last good checkpoint is step {saved[-1]}" if saved else "There is no checkpoint yet"
            last = take_note(lanes, first, values, kept)
            if progress is not None:
                count = next(iter(values.values())).shape[-1]
                progress.update(first + count - 1, last, active_alarms(lanes), spent=run.clock.seconds["step"])

    try:
        while not over:
            with run.clock.measure("step"):
                state, metrics = run.steps.run(state, next(dispatches))
                pending.append((step + 1, metrics))
                step += config.steps_per_dispatch
                drain(1)  # one dispatch stays under way while the numbers of the one before are read
                if is_over(config, step, run.clock, under_way=len(pending) * config.steps_per_dispatch):
                    drain(0)  # to know the seconds
            over, asked = _is_over_everywhere(run, step), run.stop(step)
            due = {key: config[key] > 0 and (step % config[key] == 0 or over) for key in CADENCES}
            due["checkpoint_every"] |= over  # the end is always kept
            if asked or any(due.values()):
                with run.clock.measure("step"):
                    drain(0)
            if due["log_every"]:
                values, news = _judge(lanes, step)
                # Each process judges the same numbers; where their rounding may differ, one is enough to stop all.
                why = stopping(lanes) if not over and config.alarms.stop else None
                stopped = not over and bool(config.alarms.stop) and processes.anywhere(bool(why))
                if files is not None:
                    files.lines(step, values)
                    files.alarms(step, news)
            if due["sample_every"] and files is not None:
                with run.clock.measure("samples"):
                    files.samples(step, state.players)
            if due["histogram_every"] and files is not None:
                files.histograms(step, state.players)
            results = {}
            if due["eval_every"] and not over:
                with run.clock.measure("evaluation"):
                    measured = _evaluate_everywhere(run, lanes, state.players)
                results = mean(measured)
                if files is not None:
                    files.lines(step, measured)
            if files is not None:
                files.send()
            if due["checkpoint_every"] or asked or stopped:
                with run.clock.measure("checkpoint"):
                    if files is not None:
                        files.metrics.sync()
                    meta = {
                        "step": step,
                        **to_save(lanes),
                        "seconds": run.clock.seconds,
                        "flops_per_step": run.flops_per_step,
                    }
                    run.checkpoints.save(step, state, meta, results)
            if asked or stopped:
                break
        with run.clock.measure("checkpoint"):
            run.checkpoints.wait()
    except NotFinite as failure:
        if primary:
            record_failure(run.workdir, failure)
        raise
    finally:
        dispatches.close()
        if progress is not None:
            progress.close()
        if files is not None:
            files.close(step)
        _record(lanes, step, primary)
    if stopped:
        raise UserError(stopping(lanes) or "stopped by an alarm of another process. The state is saved")
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


def _is_over_everywhere(run: TrainingRun, step: int) -> bool:
    """`is_over`; where the processes' clocks differ, one is enough, and they agree at log steps only."""
    if step < run.config.steps and jax.process_count() > 1 and run.config.budget.seconds:
        return step % run.config.log_every == 0 and processes.anywhere(is_over(run.config, step, run.clock))
    return is_over(run.config, step, run.clock)


def _evaluate_everywhere(run: TrainingRun, lanes: tuple[Lane, ...], players) -> dict[int, dict[str, float]]:
    """All processes share the work and get the primary's numbers, since checkpoints are ranked by them."""
    measured = {}
    for lane in lanes:
        results = run.evaluate(lane, lane.players(run.mesh, players), run.config.evaluation.num_samples_in_training)
        measured[lane.seed] = processes.share(results)
    return measured
