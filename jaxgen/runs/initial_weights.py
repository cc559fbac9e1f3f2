"""`config.init_from`: starts a new run from the networks of another run, or from converted networks."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxgen.errors import UserError
from jaxgen.runs.restoring import KINDS_OF_ARRAYS, load_arrays
from jaxgen.runs.session import Session

log = logging.getLogger(__name__)
_SHOWN = 12


class Start(NamedTuple):
    """weights: {player: {"params" or "stats": {path: array}}}, all weights that fit. origin: for config.json.

    anew: layers with random initial weights, such as "d b64.fromrgb".
    """

    weights: dict[str, dict[str, dict[tuple[str, ...], np.ndarray]]]
    origin: dict[str, Any]
    anew: list[str]


def find(opened: Session, folder: Path) -> Start | None:
    """The weights that `config.init_from` gives this run. None without it, and for a run that resumes a checkpoint.

    A layer is taken whole or not at all. If the shape of one of its parameters differs, it keeps random weights.

    Raises:
      UserError: no run or checkpoint there, or none of its layers fits.
    """
    name = opened.config.init_from
    if not name or any(child.name.isdigit() for child in folder.glob("checkpoints/*")):
        return None
    source = Path(name).expanduser()
    by_step = source.parent.name == "checkpoints" and source.name.isdigit()
    try:
        source_run = load_arrays(source.parents[1], source.name) if by_step else load_arrays(source)
    except UserError as error:
        raise UserError(f"config.init_from={name!r}: {error}") from None
    players = jax.eval_shape(opened.recipe.init, jax.random.key(0))
    players = {player: state for player, state in players.items() if hasattr(state, "params")}
    weights, anew, taken = {}, [], 0
    for player, state in players.items():
        given = source_run.players.get(player) or source_run.players.get(_trained(players, player)) or {}
        params, missing = _layers_that_fit(flatten_dict(state.params), flatten_dict(given.get("params", {})))
        there, stats = flatten_dict(given.get("stats", {})), flatten_dict(state.stats)
        fitting = {
            path: there[path]
            for path, leaf in stats.items()
            if np.shape(there.get(path)) == leaf.shape and path in there
        }
        weights[player] = {"params": params, "stats": fitting}
        anew += [f"{player} {layer}" for layer in missing]
        taken += len(params)
    if not taken:
        raise UserError(
            f"config.init_from={name!r}: no layer of {', '.join(players)} has the shapes of that run's "
            f"({source_run.config.model.name}). Use the same model, or set init_from=''"
        )
    origin = {"folder": str(source.absolute()), "step": source_run.step, "arrays": taken, "layers_anew": anew}
    return Start(weights, origin, anew)


def placed(players: dict[str, Any], weights: dict) -> dict[str, Any]:
    """The fresh state's players with the weights of `Start.weights`. Optimisers stay fresh."""
    filled = dict(players)
    for name, given in weights.items():
        trees = {kind: flatten_dict(getattr(players[name], kind), keep_empty_nodes=True) for kind in KINDS_OF_ARRAYS}
        filled[name] = players[name].replace(
            **{kind: unflatten_dict({**tree, **given[kind]}) for kind, tree in trees.items()}
        )
    return filled


def tell(start: Start) -> None:
    """Logs which layers were taken and which were not."""
    log.info("starting from step %d of %s", start.origin["step"], start.origin["folder"])
    if start.anew:
        more = f" and {len(start.anew) - _SHOWN} more" if len(start.anew) > _SHOWN else ""
        log.warning("layers of other shapes keep random weights: %s%s", ", ".join(start.anew[:_SHOWN]), more)


def _trained(players: dict[str, Any], average: str) -> str | None:
    """The player whose moving average a state keeps under the name `average`: it has the same parameters."""
    if hasattr(players[average], "opt_state"):
        return None
    shapes = jax.tree.map(lambda leaf: leaf.shape, players[average].params)
    others = (name for name, state in players.items() if hasattr(state, "opt_state"))
    return next((n for n in others if jax.tree.map(lambda leaf: leaf.shape, players[n].params) == shapes), None)


def _layers_that_fit(needed: dict, there: dict) -> tuple[dict, list[str]]:
    """Arrays by path of all layers whose parameters have the same names and shapes, and the names of the others."""

    def shapes(flat, layer):
        return {path[-1]: tuple(leaf.shape) for path, leaf in flat.items() if path[:-1] == layer}

    taken, missing = {}, []
    for layer in dict.fromkeys(path[:-1] for path in needed):
        if shapes(needed, layer) == shapes(there, layer):
            taken |= {path: np.asarray(there[path], needed[path].dtype) for path in needed if path[:-1] == layer}
        else:
            missing.append(".".join(layer))
    return taken, missing
