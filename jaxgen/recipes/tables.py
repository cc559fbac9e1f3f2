"""Shared parts of recipes for rows of a table: the layout for the model, packs of rows, and the views."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import jax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.recipes.base import Table


def layout_for(model_module: ModuleType, config: ConfigDict, table: Table | None) -> dict[str, Any]:
    """`{"layout": ...}` for a model's `build` if there is a table, else {}.

    Raises:
      UserError: a table with a model that makes none.
    """
    if table is None:
        return {}
    if not getattr(model_module, "TABLES", False):
        raise UserError(
            f"config.model.name={config.model.name!r} makes no rows of a table, but {config.data.name} is a table. Use "
            "model.name=tabular_gan, or tabular_vae with recipe.name=vae"
        )
    return {"layout": table.layout}


def packed(x: jax.Array | None, pack: int) -> jax.Array | None:
    """Examples [B, ...] as [B / pack, pack, ...]. A pack of 1 changes nothing.

    Pack p holds examples p, p + B / pack, and so on. These examples all lie on the device of example p. Packs therefore
    do not depend on the number of devices, and pack p has the place of example p.

    Raises:
      UserError: B is no multiple of `pack`.
    """
    if x is None or pack == 1:
        return x
    if x.shape[0] % pack:
        raise UserError(f"config.model.pack={pack} does not divide the {x.shape[0]} rows of a batch on each device")
    return x.reshape(pack, x.shape[0] // pack, *x.shape[1:]).swapaxes(0, 1)


def views_of_table(table: Table, latents: Callable, decode: Callable, sample: Callable) -> Mapping[str, Callable]:
    """The views "points", "latents" and "decode" of a recipe with encoded rows from `decode` and `sample`."""

    def rows(state, key, ids, labels=None):
        return table.decode(sample(state, key, ids, labels), labels)

    def decoded(state, latents, labels=None):
        return table.decode(decode(state, latents, labels), labels)

    return {"points": rows, "latents": latents, "decode": decoded}
