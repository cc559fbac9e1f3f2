"""What recipes share where the data are rows of a table: the layout for the model, packs of rows, and the views."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from jaxgen.errors import UserError


def layout_for(model_module, config, table) -> dict[str, Any]:
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


def check_packs(config, pack: int) -> None:
    """Refuses a batch that is not made of whole packs."""
    count = config.batch_size // config.grad_accum_steps
    if count % (pack * max(config.num_devices, 1)):
        raise UserError(
            f"config.model.pack={pack}: {count} rows of a batch (or of a part of it) on {max(config.num_devices, 1)} "
            "device(s) are not so many whole packs: change config.batch_size"
        )


def packed(x: jax.Array | None, pack: int) -> jax.Array | None:
    """Examples [B, ...] as [B / pack, pack, ...]; with a pack of 1 as they are.

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


def views_of_table(table, latents: Callable, decode: Callable, sample: Callable) -> Mapping[str, Callable]:
    """The views "points", "latents" and "decode" of a recipe whose `decode` and `sample` give encoded rows."""

    def rows(state, key, ids, labels=None):
        return table.decode(sample(state, key, ids, labels), labels)

    def decoded(state, latents, labels=None):
        return table.decode(decode(state, latents, labels), labels)

    return {"points": rows, "latents": latents, "decode": decoded}
