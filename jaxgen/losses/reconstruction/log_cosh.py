"""Log-cosh likelihood (Chen et al. 2019): squared error near zero, absolute error far away, as a density."""

import math

import jax
import jax.numpy as jnp

from jaxgen.losses.likelihoods import Likelihood
from jaxgen.settings.number_ranges import NOT_NEGATIVE, POSITIVE, require


def log_cosh(x: jax.Array) -> jax.Array:
    """log cosh(x), finite at any x."""
    return jnp.logaddexp(x, -x) - math.log(2)


def log_normaliser(sharpness: float) -> float:
    """log of the integral of cosh(a t)^(-1/a) over t: log of sqrt(pi) G(1/2a) / (a G((1/a + 1)/2)), G for gamma."""
    half = 0.5 / sharpness
    return 0.5 * math.log(math.pi) + math.lgamma(half) - math.log(sharpness) - math.lgamma(half + 0.5)


def density(sharpness: float, sigma: float = 0.0) -> Likelihood:
    """log p(x|z) = sum of -(1/a) log cosh(a t / s) - log s - log Z(a) over pixels, with t = x - output.

    a is the sharpness of Chen et al. 2019 (equation 3), whose s is 1. sigma is s, in units of the range [-1, 1].
    sigma = 0 learns it, as in a sigma-VAE.
    """

    def log_prob(parameters, outputs, observed):
        # The bound of the Gaussian likelihood: a perfect fit would send the density to infinity.
        log_sigma = jnp.log(sigma) if sigma else jnp.maximum(parameters["log_sigma"], -6.0)
        error = (observed - outputs) * jnp.exp(-log_sigma)
        values = -log_cosh(sharpness * error) / sharpness - log_sigma - log_normaliser(sharpness)
        return jnp.sum(values, axis=tuple(range(1, values.ndim)))

    init = dict if sigma else lambda: {"log_sigma": jnp.zeros(())}
    return Likelihood(init, lambda images, key, ids: images, log_prob, lambda outputs: jnp.clip(outputs, -1, 1))


def build(settings) -> Likelihood:
    """The likelihood of `config.recipe`. Keys: log_cosh_sharpness, sigma."""
    require(settings, "config.recipe", POSITIVE, "log_cosh_sharpness")
    require(settings, "config.recipe", NOT_NEGATIVE, "sigma")
    return density(settings.log_cosh_sharpness, settings.sigma)
