"""What recipes share where the data are rows of a table: the layout for the model, packs of rows, and the views."""

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
      UserError: a table and a model that makes none.
    """
    if table is None:
        return {}
    if not getattr(model_module, "TABLES", False):
        raise UserError(
            f"config.model.name={config.model.name!r} makes no rows of a table, and {config.data.name} is one: use "
            "model.name=tabular_gan, or tabular_vae with recipe.name=vae"
        )
    return {"layout": table.layout}


def packed(x: jax.Array | None, pack: int) -> jax.Array | None:
    """Examples [B, ...] as [B / pack, pack, ...]. With a pack of 1 as they are.

    Pack p holds examples p, p + B / pack, ...: numbers that all lie on the device of example p, so that packs are the
    same on any number of devices, and pack p has the place of example p.

    Raises:
      UserError: B is no multiple of `pack`.
    """
    if x is None or pack == 1:
        return x
    if x.shape[0] % pack:
        raise UserError(f"config.model.pack={pack} does not divide the {x.shape[0]} rows of a batch on each device")
    return x.reshape(pack, x.shape[0] // pack, *x.shape[1:]).swapaxes(0, 1)


def views_of_table(table: Table, latents: Callable, decode: Callable, sample: Callable) -> Mapping[str, Callable]:
    """The views "points", "latents" and "decode" of a recipe whose `decode` and `sample` give encoded rows."""

    def rows(state, key, ids, labels=None):
        return table.decode(sample(state, key, ids, labels), labels)

    def decoded(state, latents, labels=None):
        return table.decode(decode(state, latents, labels), labels)

    return {"points": rows, "latents": latents, "decode": decoded}
