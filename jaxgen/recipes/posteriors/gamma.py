"""Gamma posterior and prior, with gradients by rejection sampling (Naesseth et al. 2017)."""

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.losses import gamma
from jaxgen.recipes.posteriors.base import Draws, Encoded, Posterior

# Shapes are raised by this number before they are drawn, so that the score's noise is small (section 5 of the paper).
_RAISED = 10
# Shape and rate stay above this number.
_LEAST = 1e-2


def build(settings: ConfigDict, latent_dim: int) -> Posterior:
    """The family: latents of independent Gamma(shape, rate). The prior is Gamma(*gamma_prior).

    Shape and rate are the softplus of the encoder's first and second outputs.

    Raises:
      UserError: a prior without a positive shape and rate.
    """
    prior_shape, prior_rate = _prior(settings)

    def parameters(encoded: Encoded) -> tuple[jax.Array, jax.Array]:
        return tuple(_LEAST + jax.nn.softplus(x) for x in encoded)

    def draw(encoded: Encoded, key: jax.Array, ids: jax.Array, draws: int, step: jax.Array) -> Draws:
        del draws, step
        log_z, score = gamma.log_draws(key, ids, *parameters(encoded), _RAISED)
        return Draws(jnp.exp(log_z), score=score)

    def exact(encoded: Encoded, key: jax.Array, ids: jax.Array) -> tuple[jax.Array, jax.Array]:
        shape, rate = parameters(encoded)
        log_z, _ = gamma.log_draws(key, ids, shape, rate, _RAISED)
        log_ratio = gamma.log_density(log_z, prior_shape, prior_rate) - gamma.log_density(log_z, shape, rate)
        return jnp.exp(log_z), jnp.sum(log_ratio, axis=-1)

    def kl(encoded: Encoded) -> jax.Array:
        return gamma.kl(*parameters(encoded), prior_shape, prior_rate)

    def centre(encoded: Encoded) -> jax.Array:
        shape, rate = parameters(encoded)
        return shape / rate

    def prior(key: jax.Array, ids: jax.Array) -> jax.Array:
        shape = jnp.full((ids.shape[0], latent_dim), prior_shape)
        return jnp.exp(gamma.log_draws(key, ids, shape, jnp.full_like(shape, prior_rate), _RAISED)[0])

    return Posterior(draw, exact, kl, centre, prior)


def _prior(settings: ConfigDict) -> tuple[float, float]:
    prior = settings.gamma_prior
    if len(prior) != 2 or min(prior) <= 0:
        raise UserError(f"config.recipe.gamma_prior={prior}: it must be a shape and a rate, both above 0")
    return tuple(map(float, prior))
