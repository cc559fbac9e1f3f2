"""The interface between the VAE recipe and a prior with parameters of its own."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.models.base import VAE
from jaxgen.recipes.posteriors.base import Posterior
from jaxgen.settings import lookup


class Prior(NamedTuple):
    """A prior p(z) that is learned with the networks. The KL divergence to it is estimated from the draws.

    init: `(key) -> parameters`.
    components: `(parameters, encode) -> PyTree`, with `encode(images) -> mean, log-variance`. What the others take.
    log_over_normal: `(components, latents [n, Z]) -> log p(z) - log N(z; 0, I), [n]`.
    draw: `(components, key, ids [n]) -> latents [n, Z]`.
    """

    init: Callable[[jax.Array], dict]
    components: Callable
    log_over_normal: Callable
    draw: Callable


def prior_of(settings: ConfigDict, model: VAE, posterior: Posterior, image_shape: tuple[int, ...]) -> Prior | None:
    """The prior `config.recipe.prior`, or None if the posterior's own prior stays.

    Raises:
      UserError: an unknown name, or a posterior, networks or an objective that the prior does not go with.
    """
    module = lookup.module("recipes.priors", settings.prior, "config.recipe.prior")
    prior = module.build(settings, image_shape)
    if prior is None:
        return None
    name = f"config.recipe.prior={settings.prior!r}"
    if not posterior.gaussian:
        raise UserError(f"{name} needs config.recipe.posterior='gaussian', not {settings.posterior!r}")
    if len(image_shape) != 3:
        raise UserError(f"{name} is for images. Use config.recipe.prior='normal' for rows of a table")
    if model.conditional:
        raise UserError(f"{name} knows no classes. Use networks without them")
    if settings.free_bits:
        raise UserError(f"{name} has no KL for each latent, which config.recipe.free_bits needs. Set free_bits=0")
    for key in ("regularizer", "deterministic_encoder"):
        if settings[key]:
            raise UserError(f"{name} does not go with config.recipe.{key}={settings[key]!r}. Leave it at its default")
    images = jax.ShapeDtypeStruct((1, *image_shape), "float32")
    if set(jax.eval_shape(partial(model.encoder.init, train=False), jax.random.key(0), images)) - {"params"}:
        raise UserError(f"{name} encodes images beside those of the batch. Set config.model.batch_norm=False")
    return prior
