"""Regularisers of a VAE's latents, which see a whole batch at once: one file each.

A module is one regulariser. It defines `build(settings, num_examples) -> penalty`:
  settings: `config.recipe`. Every key that the regulariser needs is read here.
  num_examples: the number of training images. 0: not known, as in a plan without the data.
  penalty: `(codes: Codes, key, step) -> nats, {name: scalar to log}`. The recipe adds the nats to the loss.
With `REPLACES_KL = True` at its top level, the regulariser stands in place of the weighted KL term.

Your own regulariser is a module with `build`. `config.recipe.regularizer` names it by its import path.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.ops.across_devices import whole_batch
from jaxgen.settings import lookup


class Codes(NamedTuple):
    """The latents of a batch and their posteriors N(mean, exp(log_variance)), each [B, Z] float32.

    latents: one draw from each posterior. kl: nats of KL to the prior of each latent.
    """

    latents: jax.Array
    mean: jax.Array
    log_variance: jax.Array
    kl: jax.Array


class Regularizer(NamedTuple):
    """penalty: `(codes of all devices, key, step) -> nats, {name: scalar}`. replaces_kl: it contains the KL term."""

    penalty: Callable
    replaces_kl: bool


def regularizer_of(settings, num_examples: int) -> Regularizer | None:
    """The regulariser `config.recipe.regularizer`, or None for "".

    Raises:
      UserError: an unknown name, or a setting that cannot be.
    """
    if not settings.regularizer:
        return None
    module = lookup.module("losses.regularizers", settings.regularizer, "config.recipe.regularizer")
    return Regularizer(module.build(settings, num_examples), getattr(module, "REPLACES_KL", False))


def codes_of_all_devices(codes: Codes) -> Codes:
    """The codes of the global batch, in its order, from this device's. Inside `shard_map`, by one all-gather."""
    return Codes(*jnp.split(whole_batch(jnp.concatenate(codes, axis=-1)), len(codes), axis=-1))


def require_pairs(codes: Codes, name: str) -> int:
    """The size of the batch, which must hold at least two examples.

    Raises:
      UserError: it holds one.
    """
    count = codes.latents.shape[0]
    if count < 2:
        raise UserError(f"config.recipe.regularizer={name!r} compares the latents of a batch. Use two images or more")
    return count
