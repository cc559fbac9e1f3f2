"""Parts of DIP-VAE's two regularisers (Kumar et al. 2018)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.losses.regularizers import require_pairs
from jaxgen.settings.number_ranges import NOT_NEGATIVE, require


def covariance(x: jax.Array) -> jax.Array:
    """Cov[x] = E[x x^T] - E[x] E[x]^T over the rows of x [B, Z], divided by B as in the paper: [Z, Z]."""
    centred = x - jnp.mean(x, axis=0)
    return centred.T @ centred / x.shape[0]


def distance_to_identity(matrix: jax.Array, off_diagonal: float, diagonal: float) -> jax.Array:
    """off_diagonal * sum_{i != j} C_ij^2 + diagonal * sum_i (C_ii - 1)^2 of C [Z, Z] (equations 6 and 7)."""
    own = jnp.diagonal(matrix)
    others = matrix - jnp.diag(own)
    return off_diagonal * jnp.sum(jnp.square(others)) + diagonal * jnp.sum(jnp.square(own - 1))


def build_for(settings, covariance_of: Callable, name: str) -> Callable:
    """A penalty on the matrix `covariance_of(codes)`. Keys: regularizer_weight (lambda_od), dip_diagonal.

    lambda_d is regularizer_weight * dip_diagonal.

    Raises:
      UserError: a number that cannot be.
    """
    require(settings, "config.recipe", NOT_NEGATIVE, "regularizer_weight", "dip_diagonal")
    off_diagonal = settings.regularizer_weight
    diagonal = off_diagonal * settings.dip_diagonal

    def penalty(codes, key, step):
        del key, step
        require_pairs(codes, name)
        nats = distance_to_identity(covariance_of(codes), off_diagonal, diagonal)
        return nats, {"dip": nats}

    return penalty
