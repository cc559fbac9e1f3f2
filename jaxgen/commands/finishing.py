"""What is written once a run is trained: the last pictures, and the evaluation of each seed and of all together."""

import contextlib
import json
import logging
from pathlib import Path
from typing import Any

from jaxgen.commands.sampling import draw_fitted, draw_traversal
from jaxgen.devices import parallel, processes
from jaxgen.evaluation import aggregate, baseline_evaluation, engine, latent_samplers
from jaxgen.files import evaluation_file, workdir
from jaxgen.files.logs import TensorBoard
from jaxgen.metrics.table import format_table
from jaxgen.pictures import image_grids
from jaxgen.runs import run_views, session
from jaxgen.settings import configuration
from jaxgen.training import alarms, timing
from jaxgen.training.lanes import Lane
from jaxgen.training.run import TrainingRun, summary, write_timing
from jaxgen.training.run_files import board_of
from jaxgen.views import sample_grids

log = logging.getLogger(__name__)


def finish(opened: session.Session, run: TrainingRun, state: parallel.TrainState, seeds: tuple[Lane, ...]) -> None:
    """Last pictures and the evaluation of each seed, and of all together.

    All processes share the evaluations; what is drawn, written and printed is of the primary one alone.
    """
    step, primary = int(state.step), processes.is_primary()
    measured = write_timing(run, step) if primary else summary(run, step)
    log.info(
        "trained %d steps: %s images/s, %.1f s in steps, %.1f s compiling",
        step,
        measured["images_per_s"],
        run.clock.seconds["step"],
        run.clock.seconds["compile"],
    )
    evaluated = {}
    for lane in seeds:
        one, mine = opened, state
        if lane.index is not None:
            one = session.of_lane(opened, lane.config)
            mine = state.replace(players=lane.players(run.mesh, state.players))
        share = measured if lane.index is None else timing.share(measured, len(seeds))
        with contextlib.nullcontext() if one is opened else opened.clock.measure("evaluation"):
            evaluated[lane.seed] = _finish_one(one, lane, run, mine, share)
        if evaluated[lane.seed] is None:
            return
    if primary and len(seeds) > 1:
        aggregate_to_file(opened, run.workdir, step, measured, evaluated)
    if primary:
        write_timing(run, step)  # again, with the seconds of the evaluation


def _finish_one(opened: session.Session, lane: Lane, run: TrainingRun, state, measured: dict) -> dict[str, Any] | None:
    """The contents of a seed's evaluation.json ({} but in the primary process); None if it was asked to stop."""
    config, step, primary = opened.config, int(state.step), processes.is_primary()
    if primary:
        _draw_last(opened, lane, state.players)
        _tell_alarms(lane, step)
    path = lane.folder / "evaluation.json"
    if processes.share(primary and _is_evaluated(lane.folder, config, step)):
        if not primary:
            return {}
        log.info("%s%s is of this step and these settings already", lane.prefix, path)
        results = json.loads(path.read_text())
        if lane.index is None:
            print(format_table(results))
        return results
    results = evaluate_to_file(opened, path, state, step, measured, run.stop, show=lane.index is None)
    if not (results and primary):
        return results
    to_tensorboard(opened, board_of(run.workdir, lane), step, results)
    log.info("%ssamples: %s", lane.prefix, lane.folder / "samples")
    return results


def _draw_last(opened: session.Session, lane: Lane, players) -> None:
    if {"sample", "latents"} <= set(opened.views.names):
        picture = sample_grids.interpolation_grid(opened.config, opened.views, players)
        image_grids.save(picture, lane.folder / "samples" / "interpolation.png")
    draw_traversal(opened, players, lane.folder)


def _is_evaluated(folder: Path, config, step: int) -> bool:
    before = evaluation_file.evaluated(folder)
    return before is not None and before["step"] == step and evaluation_file.is_current(folder, config)


def to_tensorboard(opened: session.Session, folder: Path, step: int, results: dict[str, Any]) -> None:
    """The evaluation's numbers, and the hyperparameters that led to them."""
    board = TensorBoard(folder, 0)
    plain = session.results_of(results)
    board.scalars(step, {f"final/{name}": value for name, value in plain.items()})
    board.hparams(configuration.flatten(session.settings_of(opened)), plain)
    board.close()


def aggregate_to_file(
    opened: session.Session, folder: Path, step: int, measured: dict, evaluated: dict[int, dict]
) -> None:
    """Writes the evaluation.json of several seeds, from the contents of their own."""
    results = aggregate.over_seeds(evaluated)
    runs = {seed: one["_run"] for seed, one in evaluated.items()}
    alarmed = {seed: one["alarms"] for seed, one in runs.items() if one["alarms"] is not None}
    results["_run"] = {
        "config": session.settings_of(opened),
        "step": step,
        "num_seeds": opened.config.num_seeds,
        "parameters": next(iter(runs.values()))["parameters"],
        "timing": {
            **measured,
            "evaluation_seconds": round(sum(one["timing"]["evaluation_seconds"] for one in runs.values()), 3),
        },
        "alarms": [{"seed": seed, **event} for seed, events in alarmed.items() for event in events],
        **session.provenance(opened),
    }
    path = folder / "evaluation.json"
    workdir.write_atomic(path, json.dumps(results, indent=1) + "\n")
    print(format_table(results))
    log.info("%d seeds, means and standard deviations: %s; each by itself beside it", len(evaluated), path)


def _tell_alarms(lane: Lane, step: int) -> None:
    events = alarms.recorded(lane.folder, step) or []
    if not events:
        log.info("%salarms: none", lane.prefix)
    for event in events:
        end = "still on" if event["ended"] is None else f"ended at step {event['ended']}"
        log.info("%salarm (%s): %s", lane.prefix, end, event["message"])


def evaluate_to_file(
    opened, path: Path, state, step: int, measured: dict, stop, show: bool = True
) -> dict[str, Any] | None:
    """Evaluates with all processes, and writes evaluation.json in the primary one.

    Returns:
      Its contents, {} in the other processes; None where `stop()`, which must be alike in all, was true.
    """
    primary = processes.is_primary()
    log.info(
        "evaluating %d samples against %s ...", opened.config.evaluation.num_samples, opened.config.data.test_split
    )
    try:
        with opened.clock.measure("evaluation"):
            settings = opened.config.evaluation
            gallery = path.parent / "evaluation" if settings.pictures else None
            samplers = latent_samplers.fitted(
                opened, state.players, step, path.parent, settings.latent_samplers, run_views.workers()
            )
            if primary:
                draw_fitted(opened, state.players, samplers, path.parent)
            results = session.evaluate(
                opened, state.players, settings.num_samples, stop, samplers=samplers, gallery=gallery
            )
            if not primary:
                return results
            # `stop` is asked by all processes at once, and tables are small.
            beside = session.evaluate_baselines(opened, (lambda: False) if processes.are_several() else stop)
    except engine.Stopped:
        log.info("stopped while evaluating: the same command evaluates again")
        return None
    measured = {**measured, "evaluation_seconds": round(opened.clock.seconds["evaluation"], 3)}
    results["_run"] = {
        "config": session.settings_of(opened),
        "step": step,
        "parameters": session.parameter_counts(state),
        "timing": measured,
        "alarms": alarms.recorded(path.parent, step),
        **session.provenance(opened),
    }
    if beside:
        baseline_evaluation.write(path.with_name(baseline_evaluation.NAME), beside, results["_run"])
    workdir.write_atomic(path, json.dumps(results, indent=1) + "\n")
    if not beside:  # what an earlier evaluation left would stand beside this one's numbers
        path.with_name(baseline_evaluation.NAME).unlink(missing_ok=True)
    if show:
        print(format_table(results))
        if beside:
            print(f"\n{baseline_evaluation.format_table(results, beside)}")
    log.info("written to %s", path)
    return results
