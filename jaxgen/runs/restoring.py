"""Restores a state or bare arrays from a work directory: a checkpoint of a run or of one of its seeds."""

import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from ml_collections import ConfigDict

from jaxgen.devices import parallel, placement, processes
from jaxgen.errors import UserError
from jaxgen.files import data_record, workdir
from jaxgen.files.logs import end_log, hold_log, start_log
from jaxgen.recipes.base import PyTree
from jaxgen.runs import session
from jaxgen.runs.session import Session
from jaxgen.settings import lookup, run_config
from jaxgen.training.checkpoint import Checkpoints, array_checksum
from jaxgen.training.checkpoint_ranks import read_meta
from jaxgen.training.lanes import container_of, folder_of, make_lanes, seed_argument

log = logging.getLogger(__name__)
# What a checkpoint holds of a network, beside what its optimiser keeps.
KINDS_OF_ARRAYS = ("params", "stats")


def open_checkpoints(config: ConfigDict, folder: Path, read_only: bool = False) -> Checkpoints:
    """The checkpoints of a work directory, with the config's rules for keeping them."""
    best = config.best_metric
    better = lookup.module("metrics", best, "config.best_metric").DIRECTION if best else "lower"
    return Checkpoints(folder / "checkpoints", config.keep_checkpoints, best, better, read_only)


def open_finished_checkpoints(folder: Path) -> Checkpoints:
    """The checkpoints of an existing run, for reading. A running training is not disturbed.

    Raises:
      UserError: there are no checkpoints.
    """
    if not any(path.name.isdigit() for path in folder.glob("checkpoints/*")):
        raise UserError(f"{folder / 'checkpoints'} holds no checkpoint. Train first (--mode=train)")
    return open_checkpoints(run_config.read(folder), folder, read_only=True)


def config_of_one_seed(folder: Path, prefix: str = "") -> ConfigDict:
    """The locked config of a run of one seed, or of one of several seeds in its own folder.

    Args:
      prefix: prefix of folders in error lines, such as "run:".

    Raises:
      UserError: no run there, or several seeds without a choice.
    """
    try:
        config = run_config.read(folder)
    except UserError as error:
        raise UserError(f"{prefix}{folder}: {error}") from None
    if config.num_seeds > 1:
        first = folder_of(folder, config.seed)
        raise UserError(f"{prefix}{folder} holds {config.num_seeds} seeds. Name one of them, such as {prefix}{first}")
    return config


def restore(opened: Session, folder: Path, which: str) -> tuple[parallel.TrainState, int]:
    """The state of checkpoint `which` (latest, best, or a step) of a finished or unfinished run, and its step.

    The state of several seeds has lanes. The folder of one seed gives the state of that seed. Nothing there is changed.

    Raises:
      UserError: no such checkpoint, or a damaged checkpoint.
    """
    container = container_of(folder)
    if container is not None:
        return _restore_lane(opened, container, which)
    checkpoints = open_finished_checkpoints(folder)
    abstract = parallel.abstract_state(opened.recipe, opened.mesh, seed_argument(opened.config))
    state, _ = checkpoints.restore(abstract, checkpoints.step_of(which))
    checkpoints.close()
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
    config,
    folder: Path,
    checkpoint: str,
    needs_images: bool = True,
    check: Callable[[Session], None] = lambda opened: None,
) -> Iterator[tuple[Session, parallel.TrainState, int]]:
    """The session, state and step of a checkpoint. The folder is locked, so that a running training is not disturbed.

    Args:
      needs_images: False keeps the data set closed if the run knows the shape of its examples.
      check: refuses what this session cannot do, before the checkpoint is read.
    """
    contents = workdir.check(folder, config)
    if not needs_images:
        config = _without_metrics(config)
    recorded = data_record.of_run(contents, f"--workdir={folder}")
    known = None if needs_images else session.data_shape_of(contents)
    with contextlib.ExitStack() as stack:
        hold_log()
        stack.callback(end_log)
        opened = session.open_session(config, needs_images, known, recorded)
        check(opened)
        processes.together(lambda: stack.enter_context(workdir.lock(container_of(folder) or folder)))
        start_log(None, show=processes.is_primary())
        state, step = restore(opened, folder, checkpoint)
        log.info("checkpoint of step %d of %s", step, folder)
        yield opened, state, step


def _without_metrics(config: ConfigDict) -> ConfigDict:
    """The config for work that evaluates nothing: metrics that are no longer to be had do not matter."""
    changed = config.copy_and_resolve_references()
    with changed.unlocked():
        best = (config.best_metric,) if config.best_metric else ()
        changed.evaluation.update({"metrics": best, "metrics_in_training": ()})
    return changed.lock()


class Trained(NamedTuple):
    """A trained state for views.

    config: the run's own config. opened: its session, without metrics. players: without the state of optimisers.
    """

    config: ConfigDict
    opened: Session
    players: PyTree
    step: int


def load(folder: Path, checkpoint: str, data_dir: str = "", batches: tuple[int, int] | None = None) -> Trained:
    """The state of a checkpoint, on the devices of this machine. The data set stays closed as with `open_finished`.

    Args:
      folder: a work directory, or the folder of one of several seeds in it.
      data_dir: the present folder of the data. "" takes the config's.
      batches: batch size and number of devices, in place of those of the training. This opens the data set, since
        metrics need facts about it.

    Raises:
      UserError: no run or checkpoint there, a damaged checkpoint, or several seeds without a choice.
    """
    config = config_of_one_seed(folder)
    changed = config.copy_and_resolve_references()
    with changed.unlocked():
        changed.evaluation.update({"metrics": (), "metrics_in_training": ()})
        changed.update({"best_metric": "", "eval_every": 0, "num_devices": _devices_for(config)})
        changed.data.dir = data_dir or config.data.dir
        if batches is not None:
            changed.update({"batch_size": batches[0], "num_devices": batches[1], "grad_accum_steps": 1})
    contents = run_config.contents(folder)
    known, recorded = session.data_shape_of(contents), data_record.of_run(contents, f"run:{folder}")
    opened = session.open_session(changed, needs_images=False, known=None if batches else known, recorded=recorded)
    state, step = restore(opened, folder, checkpoint)
    return Trained(config, opened, placement.without_optimizers(state.players), step)


def _devices_for(config: ConfigDict) -> int:
    """`config.num_devices`, or as many of the devices here as divide the batch, where it cannot be that."""
    here, examples = parallel.make_mesh(0).size, config.batch_size // config.grad_accum_steps
    wanted = config.num_devices or here
    return config.num_devices if wanted <= here and examples % wanted == 0 else math.gcd(examples, min(wanted, here))


def each_seed(config, folder: Path) -> Iterator[tuple[ConfigDict, Path]]:
    """Config and folder of each seed of a run, for work of one process.

    Raises:
      UserError: there are several processes, and all would write the same files.
    """
    if processes.are_several():
        raise UserError("--distributed: one process writes samples and projections. Leave --distributed out")
    for lane in make_lanes(config, folder, None):
        yield lane.config, lane.folder


class Arrays(NamedTuple):
    """One checkpoint: {player: {"params": ..., "stats": ...}}, its step, and the run's config."""

    players: dict[str, dict[str, Any]]
    step: int
    config: ConfigDict


def load_arrays(folder: Path, which: str = "") -> Arrays:
    """Verified parameters and statistics of a checkpoint. No data set is opened, and no network is built.

    Args:
      folder: a work directory, or the folder of one of several seeds in it.
      which: latest, best, or the number of a step. "" takes the best if checkpoints were ranked, else the newest.

    Raises:
      UserError: no run, several seeds without a choice, or a checkpoint that is missing or damaged. A damaged newest
        checkpoint falls back to the checkpoint before it.
    """
    config, container = config_of_one_seed(folder), container_of(folder)
    lane = None if container is None else config.seed - run_config.read(container).seed
    checkpoints = open_finished_checkpoints(container or folder)
    step = checkpoints.step_of(which) if which else checkpoints.best_step()
    folder = checkpoints.folder
    players, step = checkpoints.first_whole(lambda step: (_read_arrays(folder / str(step), lane), step), step)
    return Arrays(players, step, config)


def _read_arrays(folder: Path, lane: int | None) -> dict[str, dict[str, Any]]:
    def placeholder(path, _):
        names = [getattr(part, "key", None) for part in path]
        is_network = len(names) > 2 and names[0] == "players" and names[2] in KINDS_OF_ARRAYS
        return 0 if is_network else ocp.PLACEHOLDER

    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
        known = reader.metadata(folder.absolute() / "state").item_metadata.tree
        wanted = jax.tree_util.tree_map_with_path(placeholder, known)
        as_arrays = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), known)
        arguments = ocp.args.PyTreeRestore(item=wanted, restore_args=as_arrays)
        restored = reader.restore(folder.absolute() / "state", args=arguments)
    checksums = read_meta(folder)["checksums"]
    players = {
        name: {kind: player.get(kind) or {} for kind in KINDS_OF_ARRAYS}
        for name, player in restored["players"].items()
        if isinstance(player, dict) and "params" in player
    }
    for path, array in jax.tree_util.tree_flatten_with_path(players)[0]:
        player, kind, *names = (part.key for part in path)
        name = f".players['{player}'].{kind}" + "".join(f"['{part}']" for part in names)
        if checksums.get(name) != array_checksum(array):
            raise ValueError(f"checksum of {name} differs")
    return players if lane is None else jax.tree.map(lambda array: array[lane], players)
