"""A run's networks as arrays under their names: no data set is opened for it, no network is built."""

import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxgen.errors import UserError
from jaxgen.metrics import direction
from jaxgen.settings import configuration, lookup
from jaxgen.training import lanes
from jaxgen.training.checkpoint import array_checksum

log = logging.getLogger(__name__)
_KINDS = ("params", "stats")


class Arrays(NamedTuple):
    """One checkpoint: {player: {"params": ..., "stats": ...}}, its step, and config.json's config, completed."""

    players: dict[str, dict[str, Any]]
    step: int
    config: dict[str, Any]


def load(folder: Path, which: str = "") -> Arrays:
    """Parameters and statistics of a checkpoint, verified; nothing in the folder is touched.

    Args:
      folder: a work directory, or the folder of one of several seeds in it.
      which: latest, best, the number of a step; "": the best if checkpoints were ranked, else the newest.

    Raises:
      UserError: no run, no such checkpoint, or a damaged one (the newest falls back to the one before); or a run of
        several seeds, of which one must be named.
    """
    config, lane = _config_of(folder), None
    if config["num_seeds"] > 1:
        one = lanes.folder_of(folder, config["seed"])
        raise UserError(f"{folder} holds {config['num_seeds']} seeds: name one of them, such as {one}")
    container = lanes.container_of(folder)
    if container is not None:
        lane = config["seed"] - _config_of(container)["seed"]
    checkpoints = (container or folder) / "checkpoints"
    candidates = _candidates(checkpoints, which, config["best_metric"])
    for step in candidates:
        try:
            return Arrays(_read(checkpoints / str(step), lane), step, config)
        except Exception as error:  # truncated files raise anything, as in checkpoint.py; all are told
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            if step == candidates[-1]:
                raise UserError(f"{checkpoints / str(step)} is damaged: {reason}") from error
            log.error("checkpoint %d is damaged (%s); trying the one before", step, reason)
    raise UserError(f"{checkpoints} holds no checkpoint: train first (--mode=train)")


def _config_of(folder: Path) -> dict[str, Any]:
    try:
        return configuration.completed(json.loads((folder / "config.json").read_text())["config"])
    except OSError:
        raise UserError(f"{folder}: no run there (no config.json)") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{folder / 'config.json'} is unreadable") from None


def _candidates(folder: Path, which: str, best_metric: str) -> list[int]:
    """Steps to try, in this order."""
    if not folder.is_dir():
        return []
    with ocp.CheckpointManager(folder.absolute(), options=ocp.CheckpointManagerOptions(read_only=True)) as manager:
        steps = sorted(manager.all_steps(), reverse=True)
    if which.isdigit():
        if int(which) not in steps:
            raise UserError(f"{folder}: no checkpoint of step {which}; there are {steps[::-1] or 'none'}")
        return [int(which)]
    if which not in ("", "latest", "best"):
        raise UserError(f"--checkpoint={which!r}: choices: latest, best, or the number of a step")
    if which != "latest":
        best = _best(folder, steps, best_metric)
        if best is not None:
            return [best]
        if which == "best":
            raise UserError("--checkpoint=best: no checkpoint was ranked; train with config.best_metric and eval_every")
    return steps


def _best(folder: Path, steps: list[int], metric: str) -> int | None:
    files = {step: folder / str(step) / "metrics" / "metrics" for step in steps}
    ranked = {step: json.loads(file.read_text())[metric] for step, file in files.items() if metric and file.exists()}
    if not ranked:
        return None
    better = lookup.module("metrics", metric, "config.best_metric").DIRECTION
    return min(ranked, key=lambda step: (direction.loss(better, ranked[step]), -step))


def _read(folder: Path, lane: int | None) -> dict[str, dict[str, Any]]:
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
        known = reader.metadata(folder.absolute() / "state").item_metadata.tree
        wanted = jax.tree_util.tree_map_with_path(lambda path, _: 0 if _is_network(path) else ocp.PLACEHOLDER, known)
        as_arrays = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), known)
        arguments = ocp.args.PyTreeRestore(item=wanted, restore_args=as_arrays)
        found = reader.restore(folder.absolute() / "state", args=arguments)
    checksums = json.loads((folder / "meta" / "metadata").read_text())["checksums"]
    players = {
        name: {kind: player.get(kind) or {} for kind in _KINDS}
        for name, player in found["players"].items()
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
