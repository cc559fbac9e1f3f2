"""What `--mode` can be: each one opens a session and does one thing with it."""

import contextlib
import json
import logging
import math
from pathlib import Path

from clu import parameter_overview

from jaxgen.commands import finishing, projection, sampling, style_projection
from jaxgen.commands.benchmark import benchmark
from jaxgen.devices import lost_processes, parallel, processes
from jaxgen.devices.stopping import Stop
from jaxgen.errors import UserError
from jaxgen.files import evaluation_file, workdir
from jaxgen.files.logs import TensorBoard, error_kept, start_log
from jaxgen.planning import plan as planning
from jaxgen.runs import initial_weights, restoring, session
from jaxgen.settings import configuration, divisibility, run_config
from jaxgen.settings.lookup import unknown
from jaxgen.training import lanes, loop, timing
from jaxgen.training.lanes import Lane
from jaxgen.training.run import TrainingRun, goal_of, is_over
from jaxgen.training.run_files import board_of

__all__ = ["benchmark", "evaluate", "plan", "project", "sample", "train"]
log = logging.getLogger(__name__)


def train(config, folder: Path) -> None:
    """Trains to the end, resuming from the newest whole checkpoint, then evaluates into evaluation.json."""
    if (container := lanes.container_of(folder)) is not None:
        raise UserError(f"--workdir={folder} is one of several seeds: train them all, --workdir={container}")
    lost_processes.start(folder)
    opened = session.open_session(config)
    divisibility.check_path_lengths(config, opened.recipe.part_multiple, parallel.data_devices(opened.mesh))
    start = initial_weights.find(opened, folder)
    primary = processes.is_primary()
    with contextlib.ExitStack() as stack:

        def take():
            stack.enter_context(workdir.lock(folder))
            workdir.bind(folder, config, session.provenance(opened))

        processes.together(take)
        start_log(folder / "log.txt" if primary else None, show=primary)
        stack.enter_context(error_kept(folder / "log.txt" if primary else None))
        stop = Stop()
        stack.enter_context(stop.listening())
        run, state, seeds = _prepare(opened, folder, stop, start)
        start_step = int(state.step)
        if primary and start_step == 0:
            _describe(run, state, seeds)
        try:
            state, complete = loop.train(run, state, seeds)
        except UserError:
            with contextlib.suppress(UserError):  # a full disk is told once
                run.checkpoints.close()  # the last good checkpoint may still be on its way to the disk
            raise
        run.checkpoints.close()
        if not complete:
            goal = goal_of(config)
            log.info("stopped at step %d of %s, saved: the same command goes on from here", state.step, goal)
            return
        finishing.finish(opened, run, state, seeds)
        processes.wait_for_all("finished")


def _prepare(opened: session.Session, folder: Path, stop: Stop, start: initial_weights.Start | None):
    config = opened.config
    checkpoints = restoring.open_checkpoints(opened, folder)
    argument = lanes.seed_argument(config)
    found = checkpoints.restore(parallel.abstract_state(opened.recipe, opened.mesh, argument))
    compiled, flops = None, math.nan
    if found is None:
        state = _initial_state(opened, folder, start)
        seeds = lanes.make_lanes(config, folder, None)
    else:
        state, meta = found
        flops = meta["flops_per_step"] or math.nan
        opened.clock.seconds = _added(opened.clock.seconds, meta["seconds"])
        seeds = lanes.make_lanes(config, folder, meta)
        checkpoints.set_aside_after(int(state.step))
        log.info("resuming at step %d of %s", state.step, goal_of(config))
        if not is_over(config, int(state.step), opened.clock) and (reason := lanes.stopping(seeds)):
            checkpoints.close()
            raise UserError(reason)
    if processes.is_primary():
        settings = {lane.seed: configuration.to_dict(lane.config) for lane in seeds}
        lanes.make_folders(seeds, settings, session.provenance(opened))
    data = session.training_data(opened)
    if not is_over(config, int(state.step), opened.clock):
        if processes.is_primary():
            for one in dict.fromkeys((folder, *(lane.folder for lane in seeds))):
                evaluation_file.set_aside(one)
        compiled = session.compile_steps(opened, state)
        opened.clock.seconds["compile"] += compiled.compile_seconds
        flops = compiled.flops_per_step
        processes.meet("compiled")

    def evaluate(lane, players, num_samples):
        mine, chosen = session.of_lane(opened, lane.config), config.evaluation.metrics_in_training
        return session.results_of(session.evaluate(mine, players, num_samples, metrics=chosen))

    run = TrainingRun(
        config=config,
        workdir=folder,
        mesh=opened.mesh,
        steps=compiled,
        flops_per_step=flops,
        data=data,
        test_images=opened.test.images,
        views=opened.views,
        checkpoints=checkpoints,
        clock=opened.clock,
        evaluate=evaluate,
        stop=stop,
    )
    return run, state, seeds


def _initial_state(opened: session.Session, folder: Path, start: initial_weights.Start | None):
    recipe, mesh, seed = opened.recipe, opened.mesh, lanes.seed_argument(opened.config)
    if start is None:
        return parallel.init_state(recipe, mesh, seed)
    initial_weights.tell(start)
    if processes.is_primary():
        workdir.note(folder, "init_from", start.origin)
    return parallel.init_state(recipe, mesh, seed, initial_weights.placed, start.weights)


def _added(now: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {kind: now.get(kind, 0.0) + before.get(kind, 0.0) for kind in set(now) | set(before)}


def _describe(run: TrainingRun, state: parallel.TrainState, seeds: tuple[Lane, ...]) -> None:
    """The parameter table, into the log and TensorBoard."""
    board = TensorBoard(board_of(run.workdir, seeds[0]), 0)
    for name, player in parallel.local(seeds[0].players(run.mesh, state.players)).items():
        if hasattr(player, "opt_state"):
            table = parameter_overview.get_parameter_overview(player.params, include_stats=False)
            log.info("parameters of %s\n%s", name, table)
            board.text(f"parameters/{name}", table)
    board.close()


def evaluate(config, folder: Path, checkpoint: str) -> None:
    """Evaluates a checkpoint again, into evaluation.json; several processes share the work."""
    lost_processes.start(folder)
    with restoring.open_finished(config, folder, checkpoint) as (opened, state, step):
        container, stop = lanes.container_of(folder), Stop()  # several processes listen to JAX's notices alone
        timing_file = (container or folder) / "timing.json"
        measured = json.loads(timing_file.read_text()) if timing_file.exists() else {}
        if container is not None:
            measured = timing.share(measured, run_config.read(container).num_seeds)
        if config.num_seeds == 1:
            path = folder / "evaluation.json"
            results = finishing.evaluate_to_file(opened, path, state, step, measured, stop)
            if results:
                finishing.to_tensorboard(opened, folder / "tensorboard", step, results)
            processes.wait_for_all("evaluated")
            return
        evaluated = {}
        for lane in lanes.make_lanes(config, folder, None):
            one = session.of_lane(opened, lane.config)
            mine = state.replace(players=lane.players(opened.mesh, state.players))
            path, share = lane.folder / "evaluation.json", timing.share(measured, config.num_seeds)
            results = finishing.evaluate_to_file(one, path, mine, step, share, stop, show=False)
            if results is None:
                return
            if results:
                finishing.to_tensorboard(one, board_of(folder, lane), step, results)
            evaluated[lane.seed] = results
        if processes.is_primary():
            finishing.aggregate_to_file(opened, folder, step, measured, evaluated)
        processes.wait_for_all("evaluated")


def sample(config, folder: Path, checkpoint: str) -> None:
    """Pictures from a checkpoint, `jaxgen.commands.sampling`; of several seeds into the folder of each."""
    for one, where in _each(config, folder):
        sampling.sample(one, where, checkpoint)


def _each(config, folder: Path):
    """Config and folder of each seed of a run.

    Raises:
      UserError: there are several processes, which would all write the same files.
    """
    if processes.are_several():
        raise UserError("--distributed: files of samples and projections are made by one process; leave it out")
    for lane in lanes.make_lanes(config, folder, None):
        yield lane.config, lane.folder


def plan(config, folder: Path, topology: str | None) -> None:
    """Plans the training for hardware that is not here; the last line of stdout is JSON. Writes nothing."""
    del folder
    if config.num_seeds > 1:
        raise UserError(f"config.num_seeds={config.num_seeds}: --mode=plan plans the step of one seed; set it to 1")
    planning.plan(config, topology)


def project(config, folder: Path, checkpoint: str) -> None:
    """Inverts test images, by latents (`commands.projection`) or by styles (`commands.style_projection`)."""
    space = config.project.space
    if space not in ("z", *style_projection.SPACES):
        raise UserError(unknown("config.project.space", space, ["z", *style_projection.SPACES]))
    for one, where in _each(config, folder):
        (projection if space == "z" else style_projection).project(one, where, checkpoint)
