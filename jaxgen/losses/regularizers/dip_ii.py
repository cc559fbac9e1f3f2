"""DIP-VAE-II: the covariance of the latents is drawn to the identity (Kumar et al. 2018, equation 7)."""

from collections.abc import Callable

import jax.numpy as jnp

from jaxgen.losses.regularizers import dip


def build(settings, num_examples: int) -> Callable:
    """The penalty on Cov[mean] + E[variances]. Keys and errors as for `dip.build_for`.

    The law of total covariance makes this matrix the covariance of the aggregate posterior. The authors take
    lambda_d = lambda_od.
    """
    del num_examples

    def of_latents(codes):
        return dip.covariance(codes.mean) + jnp.diag(jnp.mean(jnp.exp(codes.log_variance), axis=0))

    return dip.build_for(settings, of_latents, "dip_ii")
