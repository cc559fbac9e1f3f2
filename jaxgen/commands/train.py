"""`--mode=train`: trains to the end, resuming where the work directory holds a checkpoint, then evaluates."""

import contextlib
import logging
import math
from pathlib import Path

from clu import parameter_overview

from jaxgen.commands import closing
from jaxgen.commands.evaluate import finish
from jaxgen.data import reading_report
from jaxgen.devices import parallel, processes
from jaxgen.devices.stopping import Stop, watch_processes
from jaxgen.errors import UserError
from jaxgen.files import evaluation_file, sessions, workdir
from jaxgen.files.logs import end_log, error_kept, hold_log, start_log
from jaxgen.runs import feature_network, initial_weights, restoring, run_views, session
from jaxgen.runs.initial_weights import Start
from jaxgen.runs.session import Session
from jaxgen.settings import checks, configuration
from jaxgen.trackers import base as tracker
from jaxgen.trackers.feed import Trackers
from jaxgen.training import loop
from jaxgen.training.lanes import (
    Lane,
    container_of,
    make_folders,
    make_lanes,
    seed_argument,
    stopping,
    tracked_runs,
)
from jaxgen.training.run import TrainingRun, goal_of, is_over

log = logging.getLogger(__name__)


def train(config, folder: Path) -> str:
    """Trains to the end, resuming from the newest whole checkpoint, then evaluates into evaluation.json.

    Returns:
      The table of the evaluation, and the last lines of the command. "" if the run was asked to stop, and in all
      processes but the primary.
    """
    if (container := container_of(folder)) is not None:
        raise UserError(f"--workdir={folder} is one of several seeds: train them all, --workdir={container}")
    watch_processes(folder)
    tracker.check(config.trackers)
    config, told_network = feature_network.settle(config, folder)
    primary = processes.is_primary()
    with contextlib.ExitStack() as stack:
        hold_log()
        stack.callback(end_log)
        opened = session.open_session(config)
        checks.check_path_lengths(config, opened.recipe.part_multiple, parallel.data_devices(opened.mesh))
        start = initial_weights.find(opened, folder)

        def take():
            stack.enter_context(workdir.lock(folder))
            workdir.bind(folder, config, session.provenance(opened))

        processes.together(take)
        start_log(folder / "log.txt" if primary else None, show=primary)
        if told_network:
            log.info("evaluation: %s", told_network)
        stack.enter_context(error_kept(folder / "log.txt" if primary else None))
        stop = Stop()
        stack.enter_context(stop.listening())
        run, state, lanes = _prepare(opened, folder, stop, start)
        stack.callback(run.trackers.close)
        if primary and int(state.step) == 0:
            _describe(run, state, lanes)
        try:
            state, complete = loop.train(run, state, lanes)
        except UserError:
            with contextlib.suppress(UserError):  # a full disk is told once
                run.checkpoints.close()  # the last good checkpoint may still be on its way to the disk
            raise
        run.checkpoints.close()
        if not complete:
            goal = goal_of(config)
            log.info("stopped at step %d of %s, saved: the same command goes on from here", state.step, goal)
            return ""
        evaluated, told = finish(opened, run, state, lanes), []
        run.trackers.close(complete=True)
        if evaluated is not None and primary:
            page, step = closing.write_report(config, folder), int(state.step)
            read = reading_report.summary(opened.dataset)
            told = [evaluated.table, closing.last_lines(config, folder, step, lanes, evaluated.results, page, read)]
        processes.wait_for_all("finished")
        return "\n\n".join(filter(None, told))


def _prepare(
    opened: Session, folder: Path, stop: Stop, start: Start | None
) -> tuple[TrainingRun, parallel.TrainState, tuple[Lane, ...]]:
    config = opened.config
    checkpoints = restoring.open_checkpoints(config, folder)
    argument = seed_argument(config)
    restored = checkpoints.restore(parallel.abstract_state(opened.recipe, opened.mesh, argument))
    compiled, flops = None, math.nan
    if restored is None:
        state = _initial_state(opened, folder, start)
        lanes = make_lanes(config, folder, None)
    else:
        state, meta = restored
        flops = meta.get("flops_per_step") or math.nan
        for kind, spent in meta.get("seconds", {}).items():
            opened.clock.seconds[kind] = opened.clock.seconds.get(kind, 0.0) + spent
        lanes = make_lanes(config, folder, meta)
        checkpoints.set_aside_after(int(state.step))
        log.info("resuming at step %d of %s", state.step, goal_of(config))
        if not is_over(config, int(state.step), opened.clock) and (reason := stopping(lanes)):
            checkpoints.close()
            raise UserError(reason)
    if processes.is_primary():
        make_folders(lanes, session.provenance(opened))
        if not is_over(config, int(state.step), opened.clock):
            _note_session(opened, folder, lanes, int(state.step))
    trackers = Trackers()
    if processes.is_primary():
        trackers = Trackers(config.trackers, tracked_runs(config, folder, lanes, int(state.step)))
    data = session.training_data(opened)
    if not is_over(config, int(state.step), opened.clock):
        if processes.is_primary():
            for evaluated in dict.fromkeys((folder, *(lane.folder for lane in lanes))):
                evaluation_file.set_aside(evaluated)
        compiled = session.compile_steps(opened, state)
        opened.clock.seconds["compile"] += compiled.compile_seconds
        flops = compiled.flops_per_step
        processes.meet("compiled")

    def evaluate(lane, players, num_samples):
        alone, metrics = session.of_lane(opened, lane), config.evaluation.metrics_in_training
        results = run_views.evaluate(alone, players, num_samples, metrics=metrics)
        return run_views.results_of(results, config.best_metric)

    run = TrainingRun(
        config=config,
        workdir=folder,
        mesh=opened.mesh,
        steps=compiled,
        flops_per_step=flops,
        data=data,
        test_images=opened.test.images,
        test_labels=opened.test.labels,
        views=opened.views,
        checkpoints=checkpoints,
        clock=opened.clock,
        evaluate=evaluate,
        stop=stop,
        trackers=trackers,
    )
    return run, state, lanes


def _note_session(opened: Session, folder: Path, lanes: tuple[Lane, ...], step: int) -> None:
    """Notes versions, devices and place of the data in each config.json of the run, and tells what has changed."""
    facts, plain = session.provenance(opened), configuration.to_dict(opened.config)
    for place in dict.fromkeys((folder, *(lane.folder for lane in lanes))):
        changed = sessions.begin(place, step, facts, plain)
    if changed:
        note = "the run goes on at step %d with changes since its session before: %s"
        log.warning(f"{note}. Other versions and devices round differently", step, ", ".join(changed))


def _initial_state(opened: Session, folder: Path, start: Start | None) -> parallel.TrainState:
    recipe, mesh, seed = opened.recipe, opened.mesh, seed_argument(opened.config)
    if start is None:
        return parallel.init_state(recipe, mesh, seed)
    initial_weights.tell(start)
    if processes.is_primary():
        workdir.note(folder, "init_from", start.origin)
    return parallel.init_state(recipe, mesh, seed, initial_weights.placed, start.weights)


def _describe(run: TrainingRun, state: parallel.TrainState, lanes: tuple[Lane, ...]) -> None:
    """The parameter table, into the log and the trackers."""
    for name, player in parallel.local(lanes[0].players(run.mesh, state.players)).items():
        if hasattr(player, "opt_state"):
            table = parameter_overview.get_parameter_overview(player.params, include_stats=False)
            log.info("parameters of %s\n%s", name, table)
            run.trackers.text(f"parameters/{name}", table)
