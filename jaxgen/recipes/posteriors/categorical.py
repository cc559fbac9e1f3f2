"""Categorical posterior and uniform prior, trained by the Gumbel-softmax relaxation (Jang et al. 2017)."""

import math

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses import categorical
from jaxgen.ops.random import example_uniform
from jaxgen.recipes.posteriors.base import Draws, Encoded, Posterior
from jaxgen.settings.number_ranges import NOT_NEGATIVE, POSITIVE, require


def check(settings: ConfigDict) -> None:
    """Refuses impossible settings of the relaxation."""
    require(settings, "config.recipe", POSITIVE, "temperature", "temperature_minimum")
    require(settings, "config.recipe", NOT_NEGATIVE, "temperature_decay")
    if settings.categories < 2:
        raise UserError(f"config.recipe.categories={settings.categories}: it must be 2 or more")
    if settings.temperature_decay and settings.temperature_minimum >= settings.temperature:
        raise UserError(
            f"config.recipe.temperature_minimum={settings.temperature_minimum} leaves nothing to anneal from "
            f"config.recipe.temperature={settings.temperature}. Lower it, or set temperature_decay=0"
        )


def build(settings: ConfigDict, latent_dim: int) -> Posterior:
    """The family: latent_dim / categories variables, each one-hot among `categories`.

    The encoder's first outputs are the logits. Its second outputs are not used. In training the decoder sees relaxed
    draws, and the KL is that of the categorical. Evaluation draws one-hot vectors.

    Raises:
      UserError: latents that are no whole number of variables, or impossible settings.
    """
    check(settings)
    if latent_dim % settings.categories:
        raise UserError(
            f"config.model.latent_dim={latent_dim} is no multiple of config.recipe.categories={settings.categories}"
        )
    return variables(settings, latent_dim // settings.categories)


def variables(settings: ConfigDict, count: int) -> Posterior:
    """The family with `count` variables."""
    categories, straight_through = settings.categories, settings.straight_through
    annealing = settings.temperature, settings.temperature_minimum, settings.temperature_decay
    size = (count, categories)

    def log_probabilities(encoded: Encoded) -> jax.Array:
        return jax.nn.log_softmax(encoded[0].reshape(-1, *size))

    def draw(encoded: Encoded, key: jax.Array, ids: jax.Array, draws: int, step: jax.Array) -> Draws:
        del draws  # the relaxation bounds no likelihood, so there is one
        noise = categorical.gumbel(example_uniform(key, ids, size))
        soft = categorical.relaxed(log_probabilities(encoded), noise, categorical.temperature_at(step, *annealing))
        latents = categorical.straight_through(soft) if straight_through else soft
        return Draws(latents.reshape(ids.shape[0], -1))

    def exact(encoded: Encoded, key: jax.Array, ids: jax.Array) -> tuple[jax.Array, jax.Array]:
        log_q = log_probabilities(encoded)
        latents = categorical.one_hot_maximum(log_q + categorical.gumbel(example_uniform(key, ids, size)))
        log_ratio = -count * math.log(categories) - jnp.sum(latents * log_q, axis=(1, 2))
        return latents.reshape(ids.shape[0], -1), log_ratio

    def centre(encoded: Encoded) -> jax.Array:
        return categorical.one_hot_maximum(log_probabilities(encoded)).reshape(-1, count * categories)

    def prior(key: jax.Array, ids: jax.Array) -> jax.Array:
        return categorical.one_hot_maximum(example_uniform(key, ids, size)).reshape(ids.shape[0], -1)

    def clusters(encoded: Encoded) -> jax.Array:
        return jnp.argmax(log_probabilities(encoded)[:, 0], axis=-1).astype(jnp.int32)

    def kl(encoded: Encoded) -> jax.Array:
        return categorical.kl_to_uniform(log_probabilities(encoded))

    return Posterior(draw, exact, kl, centre, prior, clusters=clusters if count == 1 else None)
