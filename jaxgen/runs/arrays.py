"""A run's networks as arrays under their names: no data set is opened for it, no network is built."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from ml_collections import ConfigDict

from jaxgen.runs import restoring
from jaxgen.settings import run_config
from jaxgen.training import lanes
from jaxgen.training.checkpoint import array_checksum

_KINDS = ("params", "stats")


class Arrays(NamedTuple):
    """One checkpoint: {player: {"params": ..., "stats": ...}}, its step, and the run's config."""

    players: dict[str, dict[str, Any]]
    step: int
    config: ConfigDict


def load(folder: Path, which: str = "") -> Arrays:
    """Parameters and statistics of a checkpoint, verified; nothing in the folder is touched.

    Args:
      folder: a work directory, or the folder of one of several seeds in it.
      which: latest, best, the number of a step; "": the best if checkpoints were ranked, else the newest.

    Raises:
      UserError: no run, no such checkpoint, or a damaged one (the newest falls back to the one before); or a run of
        several seeds, of which one must be named.
    """
    config, container = restoring.config_of_one_seed(folder), lanes.container_of(folder)
    lane = None if container is None else config.seed - run_config.read(container).seed
    checkpoints = restoring.open_finished_checkpoints(container or folder)
    step = checkpoints.step_of(which) if which else checkpoints.best_step()
    players, step = checkpoints.first_whole(lambda step: (_read(checkpoints.folder / str(step), lane), step), step)
    return Arrays(players, step, config)


def _read(folder: Path, lane: int | None) -> dict[str, dict[str, Any]]:
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
        known = reader.metadata(folder.absolute() / "state").item_metadata.tree
        wanted = jax.tree_util.tree_map_with_path(lambda path, _: 0 if _is_network(path) else ocp.PLACEHOLDER, known)
        as_arrays = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), known)
        arguments = ocp.args.PyTreeRestore(item=wanted, restore_args=as_arrays)
        restored = reader.restore(folder.absolute() / "state", args=arguments)
    checksums = json.loads((folder / "meta" / "metadata").read_text())["checksums"]
    players = {
        name: {kind: player.get(kind) or {} for kind in _KINDS}
        for name, player in restored["players"].items()
        if isinstance(player, dict) and "params" in player
    }
    for path, array in jax.tree_util.tree_flatten_with_path(players)[0]:
        player, kind, *names = (part.key for part in path)
        name = f".players['{player}'].{kind}" + "".join(f"['{part}']" for part in names)
        if checksums.get(name) != array_checksum(array):
            raise ValueError(f"checksum of {name} differs")
    return players if lane is None else jax.tree.map(lambda array: array[lane], players)


def _is_network(path) -> bool:
    names = [getattr(part, "key", None) for part in path]
    return len(names) > 2 and names[0] == "players" and names[2] in _KINDS
