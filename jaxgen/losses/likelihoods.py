"""Likelihoods of a VAE's decoder: the log-density of an image given what the decoder says.

A likelihood is a NamedTuple of pure functions; it may own parameters (a learned sigma). One of your own is a module
with the same four functions (and `discrete`, if it is), named in `config.recipe.likelihood` by its import path.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.ops.random import example_uniform


class Likelihood(NamedTuple):
    """p(x | z) for images x [B, H, W, C] and decoder outputs [B, H, W, C].

    init: `() -> parameters`, a dict of arrays (empty if there is nothing to learn).
    observe: `(images in [-1, 1], key, ids [B]) -> what is modelled`, in [-1, 1] too; the encoder sees the same.
    log_prob: `(parameters, outputs, observed) -> [B]` in nats, summed over pixels.
    mean: `(outputs) -> images [B, H, W, C] in [-1, 1]`: what is shown as reconstruction or sample.
    discrete: whether log_prob is of outcomes (a mass), not a density.
    """

    init: Callable
    observe: Callable
    log_prob: Callable
    mean: Callable
    discrete: bool = False


def _sum_pixels(values: jax.Array) -> jax.Array:
    return jnp.sum(values, axis=tuple(range(1, values.ndim)))


def gaussian(sigma: float = 0.0) -> Likelihood:
    """Gaussian with one standard deviation for all pixels, in units of the range [-1, 1].

    log p(x|z) = -D log sigma - SSE / (2 sigma^2) - D/2 log 2 pi; sigma = 0 learns it (sigma-VAE, Rybkin et al. 2021).
    """

    def init():
        return {} if sigma else {"log_sigma": jnp.zeros(())}

    def log_prob(parameters, outputs, observed):
        # The same bound on sigma as the paper's soft clipping has: a perfect fit would send the density to infinity.
        log_sigma = jnp.log(sigma) if sigma else jnp.maximum(parameters["log_sigma"], -6.0)
        error = (observed - outputs) * jnp.exp(-log_sigma)
        return _sum_pixels(-0.5 * jnp.square(error) - log_sigma - 0.5 * jnp.log(2 * jnp.pi))

    return Likelihood(init, lambda images, key, ids: images, log_prob, lambda outputs: jnp.clip(outputs, -1, 1))


def bernoulli(binarize: str = "dynamic") -> Likelihood:
    """Bernoulli on binarised images, from logits: finite at any logit.

    Gray values are no outcomes of a coin: `dynamic` draws each pixel with its gray value as the probability, anew at
    every visit (Salakhutdinov and Murray 2008); `threshold` cuts at one half.
    """

    def observe(images, key, ids):
        probabilities = 0.5 * (images + 1)
        threshold = 0.5 if binarize == "threshold" else example_uniform(key, ids, images.shape[1:])
        return jnp.where(threshold < probabilities, 1.0, -1.0)

    def log_prob(parameters, outputs, observed):
        del parameters
        return -_sum_pixels(jax.nn.softplus(-observed * outputs))  # log sigmoid of the logit, signed by the outcome

    return Likelihood(dict, observe, log_prob, lambda outputs: 2 * jax.nn.sigmoid(outputs) - 1, True)


CHOICES = {"gaussian": gaussian, "bernoulli": bernoulli}
