"""What the recipe `vae` minimises: a bound on the log-likelihood, or reconstruction with a regulariser of latents."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses import elbo
from jaxgen.losses.regularizers import Codes, codes_of_all_devices, regularizer_of
from jaxgen.recipes.base import PyTree, average_over_devices
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require

_USUAL = {"beta": 1, "beta_warmup": 0, "free_bits": 0}


class Terms(NamedTuple):
    """A pass in training mode over this device's examples, with K draws of the latents of each.

    log_likelihood, log_weights: [b, K] nats, log p(x|z) and log p(x, z) - log q(z|x). kl: [b, Z] nats.
    codes: the first draw of each example and its posterior.
    """

    log_likelihood: jax.Array
    kl: jax.Array
    log_weights: jax.Array
    codes: Codes


class Objective(NamedTuple):
    """The loss of the recipe.

    draws: latents of each example. deterministic: the latents are the posterior's mean.
    loss: `(forward, params, key, step, players) -> loss, metrics, terms, stats`, with forward `(params) -> terms,
      stats`. The loss is this device's share of the mean over all devices.
    """

    draws: int
    deterministic: bool
    loss: Callable


def objective_of(
    settings: ConfigDict, num_examples: int, penalty: Callable | None = None, kl_penalty: Callable | None = None
) -> Objective:
    """The objective of `config.recipe`.

    Args:
      num_examples: training images, 0 if not known.
      penalty: a recipe's own `(players, terms, key, step) -> nats, {name: scalar}`, in place of a regulariser.
      kl_penalty: a posterior's own `(mean_kl [D] of the batch, step) -> nats`, in place of beta * KL.

    Raises:
      UserError: numbers that cannot be, or settings that exclude each other.
    """
    _check(settings)
    regularizer = None if penalty else regularizer_of(settings, num_examples)
    if regularizer:
        penalty = _of_whole_batch(regularizer.penalty)
    replaces_kl = bool(regularizer and regularizer.replaces_kl)
    if replaces_kl and settings.deterministic_encoder:
        raise UserError(
            f"config.recipe.regularizer={settings.regularizer!r} contains the KL term, which a deterministic encoder "
            "does not have. Set config.recipe.deterministic_encoder=False"
        )
    if replaces_kl:
        _refuse_changed(settings, f"regularizer={settings.regularizer!r} leaves no KL")
    beta, warmup, free_bits = settings.beta, settings.beta_warmup, settings.free_bits
    weighted, deterministic = settings.iwae_samples > 1 or settings.piwae, settings.deterministic_encoder

    def loss(forward, params, key, step, players):
        terms, stats = forward(_held(params, "decoder", "likelihood", "prior") if settings.piwae else params)
        log_likelihood = jnp.mean(terms.log_likelihood, axis=1)
        weight, more = elbo.beta_at(step, beta, warmup), {}
        if weighted:
            value = -jnp.mean(_bound(terms.log_weights, settings))
        elif replaces_kl or deterministic:
            value = -jnp.mean(log_likelihood)
        elif kl_penalty:
            value = kl_penalty(average_over_devices(jnp.mean(terms.kl, axis=0)), step) - jnp.mean(log_likelihood)
        elif free_bits:
            mean_kl = average_over_devices(jnp.mean(terms.kl, axis=0))
            value = weight * elbo.free_bits_kl(mean_kl, free_bits) - jnp.mean(log_likelihood)
        else:
            value = jnp.mean(elbo.negative_elbo(log_likelihood, terms.kl, weight))
        if penalty is not None:
            nats, more = penalty(players, terms, key, step)
            value = value + nats
        metrics = {"loss": value, "log_likelihood": jnp.mean(log_likelihood), **more}
        if not deterministic:
            metrics["negative_elbo"] = jnp.mean(elbo.negative_elbo(log_likelihood, terms.kl))
            metrics["kl"] = jnp.mean(jnp.sum(terms.kl, axis=-1))
        if warmup:
            metrics["beta"] = weight
        if settings.piwae:
            # A second pass with the same draws, whose gradient reaches the decoder alone.
            of_all = forward(_held(params, "encoder"))[0].log_weights
            value = value - jnp.mean(elbo.importance_weighted_bound(of_all, axis=1))
        return value, metrics, terms, stats

    return Objective(settings.iwae_samples * settings.iwae_bounds, deterministic, loss)


def _bound(log_weights: jax.Array, settings: ConfigDict) -> jax.Array:
    """The bound on log p(x) of each example [b] from log-weights [b, M K] of its draws.

    M = iwae_bounds bounds of K = iwae_samples draws are averaged (MIWAE). iwae_elbo_share of the result is the ELBO of
    the same draws (CIWAE). Both: Rainforth et al. 2018.
    """
    bounds, share = settings.iwae_bounds, settings.iwae_elbo_share
    if bounds == 1:
        value = elbo.importance_weighted_bound(log_weights, axis=1)
    else:
        grouped = log_weights.reshape(log_weights.shape[0], bounds, settings.iwae_samples)
        value = jnp.mean(elbo.importance_weighted_bound(grouped, axis=2), axis=1)
    return share * jnp.mean(log_weights, axis=1) + (1 - share) * value if share else value


def _held(params: PyTree, *parts: str) -> PyTree:
    """The parameters, those of `parts` without a gradient."""
    return {name: jax.lax.stop_gradient(part) if name in parts else part for name, part in params.items()}


def _of_whole_batch(penalty: Callable) -> Callable:
    def of_all_devices(players, terms, key, step):
        del players
        return penalty(codes_of_all_devices(terms.codes), key, step)

    return of_all_devices


def _check(settings: ConfigDict) -> None:
    require(settings, "config.recipe", AT_LEAST_ONE, "iwae_samples", "iwae_bounds")
    require(settings, "config.recipe", NOT_NEGATIVE, "beta_warmup", "free_bits")
    if not 0 <= settings.iwae_elbo_share <= 1:
        raise UserError(f"config.recipe.iwae_elbo_share={settings.iwae_elbo_share}: it must be in [0, 1]")
    samples, draws = settings.iwae_samples, settings.iwae_samples * settings.iwae_bounds
    if samples > 1:
        _refuse_changed(settings, f"iwae_samples={samples} trains an importance-weighted bound without a KL")
    elif settings.iwae_elbo_share:
        raise UserError(
            "config.recipe.iwae_elbo_share mixes the ELBO with an importance-weighted bound. Set "
            "config.recipe.iwae_samples to 2 or more, or iwae_elbo_share to 0"
        )
    if settings.piwae:
        _refuse_changed(settings, "piwae=True trains importance-weighted bounds without a KL")
        if settings.iwae_bounds == 1 or settings.iwae_elbo_share:
            raise UserError(
                "config.recipe.piwae=True gives the encoder the mean of several bounds, and the decoder one bound of "
                "all draws. Set config.recipe.iwae_bounds to 2 or more, and iwae_elbo_share to 0"
            )
    for key in ("regularizer", "deterministic_encoder"):
        if settings[key] and draws > 1:
            raise UserError(
                f"config.recipe.{key}={settings[key]!r} needs one draw of the latents. Leave config.recipe."
                "iwae_samples and iwae_bounds at 1"
            )
    if settings.deterministic_encoder and (settings.beta or settings.beta_warmup or settings.free_bits):
        raise UserError(
            "config.recipe.deterministic_encoder=True has no KL term. Set config.recipe.beta=0, and leave beta_warmup "
            "and free_bits at 0"
        )


def _refuse_changed(settings: ConfigDict, reason: str) -> None:
    changed = [key for key, usual in _USUAL.items() if settings[key] != usual]
    if changed:
        raise UserError(f"config.recipe.{reason} term to change. Leave config.recipe.{changed[0]} at its default")
