"""Gaussian and categorical latents side by side, each with a capacity for its KL term (JointVAE, Dupont 2018)."""

import math

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.recipes.posteriors import categorical, gaussian
from jaxgen.recipes.posteriors.base import Draws, Encoded, Posterior
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require


def build(settings: ConfigDict, latent_dim: int) -> Posterior:
    """The family: `discrete_latents` one-hot variables of `categories` are the last latents, the others are Gaussian.

    The loss has gamma |KL_z - C_z| + gamma |KL_c - C_c| in place of the KL (Dupont 2018, equation 7). The KL terms are
    means over the global batch, as in the author's code. Both capacities rise linearly from 0.

    Raises:
      UserError: too few latents, or a capacity above what the categories can hold.
    """
    categorical.check(settings)
    require(settings, "config.recipe", AT_LEAST_ONE, "discrete_latents", "joint_capacity_steps")
    require(settings, "config.recipe", NOT_NEGATIVE, "joint_capacity_weight")
    discrete, weight, steps = settings.discrete_latents, settings.joint_capacity_weight, settings.joint_capacity_steps
    continuous = latent_dim - discrete * settings.categories
    if continuous < 1:
        raise UserError(
            f"config.model.latent_dim={latent_dim} leaves no Gaussian latents beside {discrete} x "
            f"{settings.categories} categories. Use {discrete * settings.categories + 1} or more"
        )
    capacities = _capacities(settings)
    first, second = gaussian.build(settings, continuous), categorical.variables(settings, discrete)

    def parts(encoded: Encoded) -> tuple[Encoded, Encoded]:
        return tuple(x[:, :continuous] for x in encoded), tuple(x[:, continuous:] for x in encoded)

    def keys(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        return key, jax.random.fold_in(key, 1)

    def draw(encoded: Encoded, key: jax.Array, ids: jax.Array, draws: int, step: jax.Array) -> Draws:
        both = zip((first, second), parts(encoded), keys(key), strict=True)
        return Draws(jnp.concatenate([part.draw(own, k, ids, draws, step).latents for part, own, k in both], axis=-1))

    def exact(encoded: Encoded, key: jax.Array, ids: jax.Array) -> tuple[jax.Array, jax.Array]:
        both = zip((first, second), parts(encoded), keys(key), strict=True)
        latents, log_ratios = zip(*[part.exact(own, k, ids) for part, own, k in both], strict=True)
        return jnp.concatenate(latents, axis=-1), sum(log_ratios)

    def joined(function: str, encoded: Encoded) -> jax.Array:
        values = [getattr(part, function)(own) for part, own in zip((first, second), parts(encoded), strict=True)]
        return jnp.concatenate(values, axis=-1)

    def prior(key: jax.Array, ids: jax.Array) -> jax.Array:
        both = zip((first, second), keys(key), strict=True)
        return jnp.concatenate([part.prior(k, ids) for part, k in both], axis=-1)

    def penalty(mean_kl: jax.Array, step: jax.Array) -> jax.Array:
        aims = jnp.asarray(capacities) * jnp.minimum(1.0, step / steps)
        sums = jnp.stack([jnp.sum(mean_kl[:continuous]), jnp.sum(mean_kl[continuous:])])
        return weight * jnp.sum(jnp.abs(sums - aims))

    return Posterior(
        draw,
        exact,
        lambda encoded: joined("kl", encoded),
        lambda encoded: joined("centre", encoded),
        prior,
        clusters=second.clusters and (lambda encoded: second.clusters(parts(encoded)[1])),
        penalty=penalty,
    )


def _capacities(settings: ConfigDict) -> tuple[float, float]:
    capacities = settings.joint_capacities
    most = settings.discrete_latents * math.log(settings.categories)
    if len(capacities) != 2 or min(capacities) < 0:
        raise UserError(f"config.recipe.joint_capacities={capacities}: it must be two numbers of 0 or more")
    if capacities[1] > most:
        raise UserError(
            f"config.recipe.joint_capacities={capacities}: {settings.discrete_latents} x {settings.categories} "
            f"categories hold at most {most:.4f} nats. Lower the second number"
        )
    return tuple(map(float, capacities))
