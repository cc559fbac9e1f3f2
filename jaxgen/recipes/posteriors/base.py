"""The interface between the VAE recipe and the distribution of its latents."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.settings import lookup

Encoded = tuple[jax.Array, jax.Array]


class Draws(NamedTuple):
    """K draws of the latents of each of B examples, those of an example side by side.

    latents: [B K, Z], what the decoder sees.
    log_ratio: [B K] log p(z) - log q(z | x), with its gradient. None: this family trains no importance-weighted bound.
    score: [B K], for families whose draws follow the encoder only in part. The gradient of E f(z) is that of f(z) plus
      f(z) times the gradient of the score. None: the draws follow the encoder wholly.
    """

    latents: jax.Array
    log_ratio: jax.Array | None = None
    score: jax.Array | None = None


class Posterior(NamedTuple):
    """q(z | x) from the encoder's two outputs, [B, Z] each, and its prior p(z).

    draw: `(encoded, key, ids [B], draws, step) -> Draws`, in training.
    exact: `(encoded, key, ids) -> latents [B, Z], log p(z) - log q(z | x) [B]`, one draw of q itself, for evaluation.
    kl: `(encoded) -> [B, D]` nats of KL(q(z | x) || p(z)) in each of D independent parts of the latents.
    centre: `(encoded) -> [B, Z]`, the latents from which an image is reconstructed.
    prior: `(key, ids) -> [B, Z]`, draws of p(z).
    gaussian: whether the encoder's outputs are the mean and log-variance of a Gaussian. Else there is no view "encode".
    clusters: `(encoded) -> int32 [B]`, the most probable category. None: there is no one category.
    penalty: `(mean_kl [D], step) -> scalar`, in place of beta * KL. None: beta * KL.
    """

    draw: Callable
    exact: Callable
    kl: Callable
    centre: Callable
    prior: Callable
    gaussian: bool = False
    clusters: Callable | None = None
    penalty: Callable | None = None


def posterior_of(settings: ConfigDict, latent_dim: int) -> Posterior:
    """The family `config.recipe.posterior`.

    Raises:
      UserError: an unknown name, numbers that cannot be, or settings of another family.
    """
    module = lookup.module("recipes.posteriors", settings.posterior, "config.recipe.posterior")
    posterior = module.build(settings, latent_dim)
    for key in ("iwae_samples", "iwae_bounds", "piwae", "regularizer", "deterministic_encoder"):
        if settings[key] not in (1, False, "") and not posterior.gaussian:
            raise UserError(
                f"config.recipe.{key}={settings[key]!r} needs config.recipe.posterior='gaussian', not "
                f"{settings.posterior!r}. Leave config.recipe.{key} at its default"
            )
    changed = [key for key, usual in (("beta", 1), ("beta_warmup", 0), ("free_bits", 0)) if settings[key] != usual]
    if posterior.penalty and changed:
        raise UserError(
            f"config.recipe.{changed[0]}={settings[changed[0]]}: posterior {settings.posterior!r} weighs its KL terms "
            f"by capacities. Leave config.recipe.{changed[0]} at its default"
        )
    return posterior
