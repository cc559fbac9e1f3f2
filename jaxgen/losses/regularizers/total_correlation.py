"""beta-TC-VAE: the KL term in three parts with a weight each (Chen et al. 2018, equations 2 to 4).

The mean of KL(q(z|x) || p(z)) is a sum of three parts: the mutual information of x and z, the total correlation, and
the dimension-wise KL. The total correlation is KL(q(z) || prod_j q(z_j)). The dimension-wise KL is
sum_j KL(q(z_j) || p(z_j)). All three need the aggregate posterior q(z), the mean of q(z|x) over the N training images.
A batch estimates it.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.losses.regularizers import Codes, require_pairs
from jaxgen.settings import lookup

REPLACES_KL = True
_LOG_2_PI = math.log(2 * math.pi)


def stratified_weights(batch: int, num_examples: int) -> jax.Array:
    """Log-weights [B, B] of q(z_i|x_j), in row i: minibatch stratified sampling (appendix C).

    The image that z_i is a draw for, on the diagonal, weighs 1/N. One other weighs (N - B + 1) / (N (B - 1)), and all
    others 1/(B - 1). The weights of a row sum to 1. The estimate of q(z_i) is unbiased.
    """
    weights = jnp.full((batch, batch), 1 / (batch - 1))
    rows = jnp.arange(batch)
    weights = weights.at[rows, rows].set(1 / num_examples)
    weights = weights.at[rows, (rows + 1) % batch].set((num_examples - batch + 1) / (num_examples * (batch - 1)))
    return jnp.log(weights)


def plain_weights(batch: int, num_examples: int) -> jax.Array:
    """Log-weights [B, B] of minibatch weighted sampling: 1 / (N B) for all (appendix C). They do not sum to 1."""
    return jnp.full((batch, batch), -math.log(num_examples * batch))


ESTIMATORS = {"stratified": stratified_weights, "weighted": plain_weights}


class Parts(NamedTuple):
    """Means over a batch, in nats, scalars. Their sum is a Monte-Carlo estimate of the KL to the prior."""

    mutual_information: jax.Array
    total_correlation: jax.Array
    dimension_kl: jax.Array


def decompose(latents: jax.Array, mean: jax.Array, log_variance: jax.Array, log_weights: jax.Array) -> Parts:
    """The three parts of the KL, from one draw for each image.

    Args:
      latents: [B, Z]. Row i is drawn from N(mean_i, exp(log_variance_i)).
      log_weights: [B, B], the weight of q(z_i|x_j) in the estimate of q(z_i).
    """
    log_q = _log_normal(latents[:, None], mean[None], log_variance[None])  # [B, B, Z]: log q(z_id | x_j)
    log_q_given_x = jnp.sum(_log_normal(latents, mean, log_variance), axis=-1)
    log_q_z = jax.nn.logsumexp(log_weights + jnp.sum(log_q, axis=-1), axis=1)
    log_q_product = jnp.sum(jax.nn.logsumexp(log_weights[..., None] + log_q, axis=1), axis=-1)
    log_prior = jnp.sum(_log_normal(latents, 0.0, jnp.zeros(())), axis=-1)
    differences = log_q_given_x - log_q_z, log_q_z - log_q_product, log_q_product - log_prior
    return Parts(*map(jnp.mean, differences))


def _log_normal(x: jax.Array, mean: jax.Array | float, log_variance: jax.Array) -> jax.Array:
    return -0.5 * (jnp.square(x - mean) * jnp.exp(-log_variance) + log_variance + _LOG_2_PI)


def build(settings, num_examples: int) -> Callable:
    """The penalty alpha MI + beta TC + gamma (dimension-wise KL). Keys: tc_weights (the three), tc_estimator.

    Raises:
      UserError: weights or an estimator that cannot be, or a batch larger than the training data.
    """
    weights, name = settings.tc_weights, settings.tc_estimator
    if len(weights) != len(Parts._fields) or not all(0 <= weight < math.inf for weight in weights):
        raise UserError(
            f"config.recipe.tc_weights={weights!r}: it must hold three numbers of 0 or more, for mutual information, "
            "total correlation and dimension-wise KL"
        )
    if name not in ESTIMATORS:
        raise UserError(lookup.unknown("config.recipe.tc_estimator", name, list(ESTIMATORS)))

    def penalty(codes: Codes, key, step):
        del key, step
        batch = require_pairs(codes, "total_correlation")
        if num_examples < batch:
            raise UserError(
                f"config.recipe.regularizer='total_correlation' needs the number of training images, at least one "
                f"batch of {batch}, but it is {num_examples}. For a plan, set config.plan.num_images"
            )
        parts = decompose(codes.latents, codes.mean, codes.log_variance, ESTIMATORS[name](batch, num_examples))
        nats = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        return nats, parts._asdict()

    return penalty
