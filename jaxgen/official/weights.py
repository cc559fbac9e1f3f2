"""Weights of published networks in a state of the recipe `stylegan2`, and a state's under the official names."""

from collections.abc import Mapping
from typing import Any

import flax.traverse_util
import numpy as np

from jaxgen.errors import UserError
from jaxgen.models.stylegan2 import official
from jaxgen.official.network_pickle import Network

Collections = dict[str, Any]


def players_of(networks: Mapping[str, Network], where: str) -> dict[str, Collections]:
    """`{"g": {params, stats}, "ema": ..., "d": ...}` of the networks that there are.

    G and G_ema stand for each other where one is missing.
    """
    players = {}
    for player, names in (("g", ("G", "G_ema")), ("ema", ("G_ema", "G")), ("d", ("D",))):
        name = next((name for name in names if name in networks), None)
        if name is not None:
            arrays = {path: np.array(tensor, np.float32) for path, tensor in networks[name].tensors.items()}
            collections = official.from_official(arrays)
            stats = {} if player == "d" else _stats(collections, f"{where}: {name}")
            players[player] = {"params": collections["params"], "stats": stats}
    return players


def check(players: Mapping[str, Collections], expected: Mapping[str, Any], where: str, kind: str = "StyleGAN2") -> None:
    """Refuses weights that are not exactly those of the networks that the config describes.

    Args:
      players: of `players_of`.
      expected: players of the recipe's state, abstract.
      kind: what the networks are, for error lines.

    Raises:
      UserError: names the first tensor that is missing, has another shape or is one too many.
    """
    for player, collections in players.items():
        there = _shapes(collections)
        needed = _shapes({"params": expected[player].params, "stats": expected[player].stats})
        for name in sorted(set(needed) | set(there)):
            if there.get(name) != needed.get(name):
                raise UserError(
                    f"{where}: {'D' if player == 'd' else 'G'}'s {name} is {there.get(name, 'missing')}, but "
                    f"{needed.get(name, 'no such tensor')} in jaxgen's. jaxgen lacks this kind of {kind}"
                )


def tensors_of(players: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Every tensor of the official state dicts, filters included, named `G.`, `D.` and `G_ema.` and so on.

    players: arrays `{"g": {params, stats}, "ema": {params, stats}, "d": {params}}`.
    """
    tensors = {}
    for prefix, player in (("G", "g"), ("D", "d"), ("G_ema", "ema")):
        collections: Collections = {"params": players[player]["params"]}
        if player != "d":
            stats = players[player]["stats"]
            collections["w_avg"] = {"mapping": {"w_avg": stats["w_avg"]}}
            collections["noise"] = {"synthesis": stats["noise"]}
        named = official.with_filters(official.to_official(collections))
        tensors |= {f"{prefix}.{name}": np.asarray(tensor, np.float32) for name, tensor in named.items()}
    return tensors


def _stats(collections: Collections, where: str) -> Collections:
    try:
        return {"w_avg": collections["w_avg"]["mapping"]["w_avg"], "noise": collections["noise"]["synthesis"]}
    except KeyError:
        lacks = "has no mapping.w_avg or no noise_const: a generator without truncation or noise"
        raise UserError(f"{where} {lacks}") from None


def _shapes(collections: Collections) -> dict[str, tuple[int, ...]]:
    flat = flax.traverse_util.flatten_dict(collections)
    return {".".join(path[1:]): tuple(leaf.shape) for path, leaf in flat.items()}
