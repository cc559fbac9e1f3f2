"""`--mode=evaluate` and the end of a training: last pictures, and evaluations of each seed and of all seeds."""

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax

from jaxgen.commands import closing
from jaxgen.commands.sample import draw_fitted
from jaxgen.devices import parallel, processes
from jaxgen.devices.stopping import Stop, watch_processes
from jaxgen.evaluation import aggregate, baseline_evaluation, engine, latent_samplers
from jaxgen.files import evaluation_file
from jaxgen.metrics.records import format_table
from jaxgen.pictures import image_grids
from jaxgen.runs import feature_network, restoring, run_views, session
from jaxgen.runs.session import Session
from jaxgen.settings import configuration, run_config
from jaxgen.trackers.feed import Trackers
from jaxgen.training import alarms
from jaxgen.training.lanes import Lane, container_of, make_lanes, tracked_runs
from jaxgen.training.run import TrainingRun, recorded_timing, share_of_lane, summary, write_timing
from jaxgen.views import sample_grids, traversal

log = logging.getLogger(__name__)
# What tables, trackers and means over seeds read of a number's record.
_OF_RECORD = {"value", "spread", "n_real", "n_fake", "direction", "metric", "view", "seconds"}


class Evaluated(NamedTuple):
    """An evaluation.json and the baselines measured for it. {} in all processes but the primary."""

    results: dict[str, Any]
    baselines: Mapping[str, dict] = MappingProxyType({})

    @property
    def table(self) -> str:
        """The results as lines of text, "" without results."""
        tables = [format_table(self.results)] if self.results else []
        if self.baselines:
            tables.append(baseline_evaluation.format_table(self.results, self.baselines))
        return "\n\n".join(tables)


def evaluate(config, folder: Path, checkpoint: str) -> str:
    """Evaluates a checkpoint again, into evaluation.json. The folder may be the folder of one of several seeds.

    Returns:
      The table of the evaluation. "" in all processes but the primary, and "" if a stop was requested.
    """
    watch_processes(folder)
    config, told = feature_network.settle(config, folder)
    with restoring.open_finished(config, folder, checkpoint) as (opened, state, _):
        if told:
            log.info("evaluation: %s", told)
        container, stop = container_of(folder), Stop()  # several processes listen to JAX's notices alone
        if container is None:
            measured = recorded_timing(config, folder, int(state.step))
        else:
            whole = run_config.read(container)
            measured = share_of_lane(recorded_timing(whole, container, int(state.step)), whole.num_seeds)
        lanes = make_lanes(config, folder, None)
        trackers = Trackers()
        if processes.is_primary():
            trackers = Trackers(config.trackers, tracked_runs(config, folder, lanes, None))
        evaluated = evaluate_seeds(opened, folder, state, lanes, measured, stop, trackers)
        trackers.close(complete=None)
        if evaluated is None:
            return ""
        if processes.is_primary():
            closing.write_report(config, folder)
        processes.wait_for_all("evaluated")
        return evaluated.table


def finish(opened: Session, run: TrainingRun, state: parallel.TrainState, lanes: tuple[Lane, ...]) -> Evaluated | None:
    """Draws the last pictures and evaluates each seed, and all seeds together. None if the run was asked to stop.

    All processes share the evaluations. The primary process alone draws and writes.
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
    for lane in lanes if primary else ():
        _draw_last(session.of_lane(opened, lane), lane, lane.players(run.mesh, state.players))
        _log_alarms(lane, step)
        log.info("%ssamples: %s", lane.prefix, lane.folder / "samples")
    evaluated = evaluate_seeds(opened, run.workdir, state, lanes, measured, run.stop, run.trackers, keep_current=True)
    if primary and evaluated is not None:
        write_timing(run, step)  # again, with the seconds of the evaluation
    return evaluated


def evaluate_seeds(
    opened: Session,
    folder: Path,
    state: parallel.TrainState,
    lanes: tuple[Lane, ...],
    measured: dict[str, Any],
    stop: Callable[[], bool],
    trackers: Trackers,
    keep_current: bool = False,
) -> Evaluated | None:
    """Evaluates each seed into the evaluation.json of its folder, and several seeds into that of `folder`.

    Args:
      measured: times and memory of the training, of all seeds together.
      trackers: are given the numbers of each, and of all together.
      keep_current: an evaluation.json of this step and these settings is not made again.

    Returns:
      The evaluation of the only seed, or of all seeds together. None if `stop()` was true.
    """
    step, by_seed, evaluated = int(state.step), {}, Evaluated({})
    for lane in lanes:
        alone, own = session.of_lane(opened, lane), state.replace(players=lane.players(opened.mesh, state.players))
        share = measured if lane.index is None else share_of_lane(measured, len(lanes))
        path = lane.folder / "evaluation.json"
        before = _current(lane.folder, alone.config, step) if keep_current and processes.is_primary() else None
        kept = processes.share(before is not None)
        if kept:
            log.info("%s%s is of this step and these settings already", lane.prefix, path)
            evaluated = Evaluated(before or {})
        else:
            with contextlib.nullcontext() if alone is opened else opened.clock.measure("evaluation"):
                evaluated = evaluate_to_file(alone, path, own, step, share, stop)
            if evaluated is None:
                return None
        if evaluated.results:
            trackers.final(step, lane.seed, evaluated.results, run_views.results_of(evaluated.results), kept)
        by_seed[lane.seed] = evaluated.results
    if len(lanes) == 1 or not processes.is_primary():
        return evaluated
    results = aggregate_to_file(opened, folder, step, measured, by_seed)
    trackers.final(step, None, results, aggregate.means_and_spreads(results), kept)
    return Evaluated(results)


def _draw_last(opened: Session, lane: Lane, players) -> None:
    if {"sample", "latents"} <= set(opened.views.names):
        picture = sample_grids.interpolation_grid(opened.config, opened.views, opened.views.decode.bind(state=players))
        image_grids.save(picture, lane.folder / "samples" / "interpolation.png")
    traversal.write(opened, players, lane.folder / "samples" / "traversal.png")


def _current(folder: Path, config, step: int) -> dict[str, Any] | None:
    """The contents of an evaluation.json of this step and these settings, with all that a new one would have."""
    contents = evaluation_file.read(folder)
    if contents is None or contents["_run"]["step"] != step or not evaluation_file.is_current(folder, config):
        return None
    records = [record for name, record in contents.items() if not name.startswith("_")]
    whole = contents["_run"].keys() >= {"parameters", "timing", "alarms"} and "_skipped" in contents
    return contents if whole and all(record.keys() >= _OF_RECORD for record in records) else None


def aggregate_to_file(
    opened: Session, folder: Path, step: int, measured: dict, by_seed: dict[int, dict]
) -> dict[str, Any]:
    """Writes and returns the evaluation.json of several seeds, from the contents of each seed's file."""
    results = aggregate.over_seeds(by_seed)
    runs = {seed: evaluation["_run"] for seed, evaluation in by_seed.items()}
    alarmed = {seed: run["alarms"] for seed, run in runs.items() if run["alarms"] is not None}
    seconds = sum(run["timing"]["evaluation_seconds"] for run in runs.values())
    results["_run"] = {
        "config": configuration.to_dict(opened.config),
        "step": step,
        "num_seeds": opened.config.num_seeds,
        "parameters": next(iter(runs.values()))["parameters"],
        "timing": {**measured, "evaluation_seconds": round(seconds, 3)},
        "alarms": [{"seed": seed, **event} for seed, events in alarmed.items() for event in events],
        **session.provenance(opened),
    }
    evaluation_file.write(folder, results)
    path = folder / "evaluation.json"
    log.info("mean and standard deviation over %d seeds: %s. A folder beside it holds each seed", len(by_seed), path)
    return results


def _log_alarms(lane: Lane, step: int) -> None:
    events = alarms.recorded(lane.folder, step) or []
    if not events:
        log.info("%salarms: none", lane.prefix)
    for event in events:
        end = "still on" if event["ended"] is None else f"ended at step {event['ended']}"
        log.info("%salarm (%s): %s", lane.prefix, end, event["message"])


def evaluate_to_file(
    opened: Session, path: Path, state: parallel.TrainState, step: int, measured: dict, stop: Callable[[], bool]
) -> Evaluated | None:
    """Evaluates with all processes, and writes evaluation.json in the primary process.

    Returns:
      The written contents. None if `stop()` was true, which must be alike in all processes.
    """
    settings = opened.config.evaluation
    log.info("evaluating %d samples against %s ...", settings.num_samples, opened.config.data.test_split)
    try:
        with opened.clock.measure("evaluation"):
            gallery = path.parent / "evaluation" if settings.pictures else None
            samplers = latent_samplers.fitted(
                opened, state.players, step, path.parent, settings.latent_samplers, run_views.workers()
            )
            if processes.is_primary():
                draw_fitted(opened, state.players, samplers, path.parent)
            results = run_views.evaluate(
                opened, state.players, settings.num_samples, stop, samplers=samplers, gallery=gallery
            )
            if not processes.is_primary():
                return Evaluated({})
            # `stop` is asked by all processes at once, and tables are small.
            baselines = run_views.evaluate_baselines(opened, (lambda: False) if processes.are_several() else stop)
    except engine.Stopped:
        log.info("stopped while evaluating. The same command evaluates again")
        return None
    trained = {name: player.params for name, player in state.players.items() if hasattr(player, "opt_state")}
    results["_run"] = {
        "config": configuration.to_dict(opened.config),
        "step": step,
        "parameters": {name: sum(leaf.size for leaf in jax.tree.leaves(params)) for name, params in trained.items()},
        "timing": {**measured, "evaluation_seconds": round(opened.clock.seconds["evaluation"], 3)},
        "alarms": alarms.recorded(path.parent, step),
        **session.provenance(opened),
    }
    if baselines:
        baseline_evaluation.write(path.with_name(baseline_evaluation.NAME), baselines, results["_run"])
    evaluation_file.write(path.parent, results)
    if not baselines:  # what an earlier evaluation left would stand beside this one's numbers
        path.with_name(baseline_evaluation.NAME).unlink(missing_ok=True)
    log.info("written to %s", path)
    return Evaluated(results, baselines)
