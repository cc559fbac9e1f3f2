"""A work directory becomes a state again: the checkpoint that is asked for, of a run or of one of its seeds."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from ml_collections import ConfigDict

from jaxgen.devices import parallel, placement, processes
from jaxgen.errors import UserError
from jaxgen.files import workdir
from jaxgen.files.logs import end_log, start_log
from jaxgen.runs import session
from jaxgen.runs.session import Session
from jaxgen.settings import lookup, run_config
from jaxgen.training import lanes
from jaxgen.training.checkpoint import Checkpoints

log = logging.getLogger(__name__)


def open_checkpoints(opened: Session, folder: Path, read_only: bool = False) -> Checkpoints:
    """The checkpoints of a work directory, with the config's rules of what to keep."""
    best = opened.config.best_metric
    better = lookup.module("metrics", best, "config.best_metric").DIRECTION if best else "lower"
    return Checkpoints(folder / "checkpoints", opened.config.keep_checkpoints, best, better, read_only)


def restore(opened: Session, folder: Path, which: str) -> tuple[parallel.TrainState, int]:
    """The state of checkpoint `which` (latest, best, or a step) of a finished or unfinished run.

    Of a run with several seeds it has lanes; of the folder of one of them it is that one's. Nothing there is changed.

    Raises:
      UserError: no such checkpoint, or damaged.
    """
    container = lanes.container_of(folder)
    if container is not None:
        return _restore_lane(opened, container, which)
    nothing = UserError(f"{folder / 'checkpoints'} holds no checkpoint: train first (--mode=train)")
    if not (folder / "checkpoints").is_dir():
        raise nothing
    checkpoints = open_checkpoints(opened, folder, read_only=True)
    step = None
    if which == "best":
        step = checkpoints.best_step()
        if step is None:
            raise UserError("--checkpoint=best: no checkpoint was ranked; train with config.best_metric and eval_every")
    elif which != "latest":
        if not which.isdigit():
            raise UserError(f"--checkpoint={which!r}: choices: latest, best, or the number of a step")
        step = int(which)
    seeds = lanes.seed_argument(opened.config)
    restored = checkpoints.restore(parallel.abstract_state(opened.recipe, opened.mesh, seeds), step)
    if restored is None:
        raise nothing
    checkpoints.close()
    state, _ = restored
    return state, int(state.step)


def _restore_lane(opened: Session, container: Path, which: str) -> tuple[parallel.TrainState, int]:
    """The state of the session's seed, out of the checkpoint of the run that trained it beside others."""
    config = opened.config.copy_and_resolve_references()
    trained = run_config.read(container)
    config.update({"seed": trained.seed, "num_seeds": trained.num_seeds})
    state, step = restore(opened._replace(config=config), container, which)
    return state.replace(players=placement.lane(opened.mesh, state.players, opened.config.seed - trained.seed)), step


@contextlib.contextmanager
def open_finished(
    config, folder: Path, checkpoint: str, needs_images: bool = True
) -> Iterator[tuple[Session, parallel.TrainState, int]]:
    """The session, state and step of a checkpoint; the folder is locked, for a run that saves goes undisturbed.

    Args:
      needs_images: False: the data set stays closed where the run says what its images are like.
    """
    contents = workdir.check(folder, config)
    opened = session.open_session(config, needs_images, None if needs_images else session.data_shape_of(contents))
    with contextlib.ExitStack() as stack:
        processes.together(lambda: stack.enter_context(workdir.lock(lanes.container_of(folder) or folder)))
        start_log(None, show=processes.is_primary())
        stack.callback(end_log)
        state, step = restore(opened, folder, checkpoint)
        log.info("checkpoint of step %d of %s", step, folder)
        yield opened, state, step


def each_seed(config, folder: Path) -> Iterator[tuple[ConfigDict, Path]]:
    """Config and folder of each seed of a run, for what one process does.

    Raises:
      UserError: there are several processes, which would all write the same files.
    """
    if processes.are_several():
        raise UserError("--distributed: files of samples and projections are made by one process; leave it out")
    for lane in lanes.make_lanes(config, folder, None):
        yield lane.config, lane.folder
