"""Likelihoods of a VAE's decoder: the log-density of an image given the decoder's output.

A likelihood is a NamedTuple of pure functions. It may own parameters (a learned sigma). Your own likelihood is a module
with the same four functions (and optionally `discrete`). `config.recipe.likelihood` names it by its import path.
`jaxgen.losses.reconstruction` holds further ones, one file each.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.ops.pixels import GRAY_LEVEL
from jaxgen.ops.random import example_normal, example_uniform
from jaxgen.settings import lookup
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require

# A hundredth: the least standard deviation of a column of a table, in units of its encoding.
_LEAST_LOG_SIGMA = -4.6


class Likelihood(NamedTuple):
    """p(x | z) for images x [B, H, W, C] and decoder outputs [B, H, W, output_channels(C)].

    init: `() -> parameters`, a dict of arrays (empty without parameters).
    observe: `(images in [-1, 1], key, ids [B]) -> observed values`, in [-1, 1] too. The encoder sees the same values.
    log_prob: `(parameters, outputs, observed) -> [B]` in nats, summed over pixels.
    mean: `(outputs) -> images [B, H, W, C] in [-1, 1]`, shown as reconstruction or sample.
    discrete: whether log_prob is a mass of outcomes and not a density.
    levels: for discrete likelihoods, the number of values of a pixel: 2 binarised, 256 gray levels.
    output_channels: `(C) -> channels of the decoder's output`. None means C.
    draw: `(parameters, outputs, key, ids [B]) -> x` from p(x | z). None if samples show the mean.
    normalised: whether log_prob is a log-density or log-mass. False: it is minus a reconstruction loss.
    """

    init: Callable
    observe: Callable
    log_prob: Callable
    mean: Callable
    discrete: bool = False
    levels: int = 2
    output_channels: Callable[[int], int] | None = None
    draw: Callable | None = None
    normalised: bool = True


def _sum_pixels(values: jax.Array) -> jax.Array:
    return jnp.sum(values, axis=tuple(range(1, values.ndim)))


def gaussian(sigma: float = 0.0) -> Likelihood:
    """Gaussian with one standard deviation for all pixels, in units of the range [-1, 1].

    log p(x|z) = -D log sigma - SSE / (2 sigma^2) - D/2 log 2 pi. sigma = 0 learns it (sigma-VAE, Rybkin et al. 2021).
    """

    def log_prob(parameters, outputs, observed):
        # The same bound on sigma as the paper's soft clipping has: a perfect fit would send the density to infinity.
        log_sigma = jnp.log(sigma) if sigma else jnp.maximum(parameters["log_sigma"], -6.0)
        error = (observed - outputs) * jnp.exp(-log_sigma)
        return _sum_pixels(-0.5 * jnp.square(error) - log_sigma - 0.5 * jnp.log(2 * jnp.pi))

    init = dict if sigma else lambda: {"log_sigma": jnp.zeros(())}
    return Likelihood(init, _same_images, log_prob, lambda outputs: jnp.clip(outputs, -1, 1))


def bernoulli(binarize: str = "dynamic") -> Likelihood:
    """Bernoulli on binarised images, from logits. It is finite at any logit.

    Gray values are not outcomes of a coin. `dynamic` draws each pixel with its gray value as the probability, anew at
    every visit (Salakhutdinov and Murray 2008). `threshold` cuts at one half.
    """

    def observe(images, key, ids):
        probabilities = 0.5 * (images + 1)
        threshold = 0.5 if binarize == "threshold" else example_uniform(key, ids, images.shape[1:])
        return jnp.where(threshold < probabilities, 1.0, -1.0)

    def log_prob(parameters, outputs, observed):
        del parameters
        return -_sum_pixels(jax.nn.softplus(-observed * outputs))  # log sigmoid of the logit, signed by the outcome

    return Likelihood(dict, observe, log_prob, lambda outputs: 2 * jax.nn.sigmoid(outputs) - 1, True)


def _level_log_prob(observed: jax.Array, mean: jax.Array, log_scale: jax.Array) -> jax.Array:
    """Log-mass of gray levels k / 127.5 - 1, k = 0..255, under a logistic density; Salimans et al. 2017, equation 2.

    Each level has the mass of its bin of width 2/255; 0 and 255 also have the tails beyond them. With a and b the bin's
    ends in units of the scale, s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)): finite and accurate at any distance, where
    the difference itself would be rounded to zero.
    """
    inverse_scale = jnp.exp(-log_scale)
    centred = observed - mean
    upper, lower = inverse_scale * (centred + 1 / 255), inverse_scale * (centred - 1 / 255)
    below = jax.nn.log_sigmoid(upper)
    above = jax.nn.log_sigmoid(-lower)
    between = below + above + jnp.log(-jnp.expm1(-inverse_scale * (2 / 255)))
    # 1/510 from a neighbouring level on either side.
    return jnp.where(observed < -1 + 1 / 255, below, jnp.where(observed > 1 - 1 / 255, above, between))


def _bounded(log_scale: jax.Array) -> jax.Array:
    """At exp(-7), an eighth of a bin, a logistic is a spike (the bound of PixelCNN++); at exp(7) it is flat."""
    return jnp.clip(log_scale, -7.0, 7.0)


def _same_images(images, key, ids):
    del key, ids
    return images


def discretised_logistic() -> Likelihood:
    """Discretised logistic with one learned scale for all pixels (Kingma et al. 2016, section 6.2, and its code).

    It is a mass over the 256 gray levels. Its bits per dimension compare with those of other discrete likelihoods.
    """

    def log_prob(parameters, outputs, observed):
        return _sum_pixels(_level_log_prob(observed, outputs, _bounded(parameters["log_scale"])))

    def init():
        return {"log_scale": jnp.zeros(())}

    return Likelihood(init, _same_images, log_prob, lambda outputs: jnp.clip(outputs, -1, 1), True, 256)


def logistic_mixture(mixtures: int = 10) -> Likelihood:
    """Mixture of discretised logistics for each pixel, its channels coupled (Salimans et al. 2017, equations 2 and 3).

    Each pixel has K mixture logits. Each component has C means, C log-scales and C (C - 1) / 2 coefficients. Within a
    component, the mean of a channel is linear in the channels before it. The initial means are spread over [-1, 1],
    since equal components would get equal gradients.
    """

    def unpack(outputs, channels):
        lead, parts = outputs.shape[:-1], mixtures * channels
        logits, means, log_scales, coefficients = jnp.split(
            outputs, [mixtures, mixtures + parts, mixtures + 2 * parts], axis=-1
        )
        means = means.reshape(*lead, mixtures, channels) + jnp.linspace(-1.0, 1.0, mixtures)[:, None]
        log_scales = _bounded(log_scales.reshape(*lead, mixtures, channels))
        coefficients = jnp.tanh(coefficients.reshape(*lead, mixtures, -1))
        return jax.nn.log_softmax(logits), means, log_scales, coefficients

    def couple(means, coefficients, earlier):
        """Means [..., K, C] given the channels before; `earlier(done)` -> those [..., K or 1, number done]."""
        done = [means[..., 0]]
        for channel in range(1, means.shape[-1]):
            first = channel * (channel - 1) // 2
            weights = coefficients[..., first : first + channel]
            done.append(means[..., channel] + jnp.sum(weights * earlier(done), axis=-1))
        return jnp.stack(done, axis=-1)

    def log_prob(parameters, outputs, observed):
        del parameters
        log_weights, means, log_scales, coefficients = unpack(outputs, observed.shape[-1])
        x = observed[..., None, :]
        means = couple(means, coefficients, lambda done: x[..., : len(done)])
        return _sum_pixels(
            jax.nn.logsumexp(log_weights + jnp.sum(_level_log_prob(x, means, log_scales), axis=-1), axis=-1)
        )

    def mean(outputs):
        channels = next(c for c in range(1, 5) if output_channels(c) == outputs.shape[-1])
        log_weights, means, _, coefficients = unpack(outputs, channels)
        # The coupling is linear, so a component's mean is that of its channels' means.
        means = couple(means, coefficients, lambda done: jnp.stack(done, axis=-1))
        return jnp.clip(jnp.sum(jnp.exp(log_weights)[..., None] * means, axis=-2), -1, 1)

    def output_channels(channels):
        return mixtures * (1 + 2 * channels + channels * (channels - 1) // 2)

    return Likelihood(dict, _same_images, log_prob, mean, True, 256, output_channels)


def tabular(layout: tuple[tuple[str, int], ...]) -> Likelihood:
    """Likelihood of table rows [B, D]: a Gaussian for each number, a categorical for each one-hot part.

    Each number has its own learned standard deviation (TVAE, Xu et al. 2019, section 4.4). The mean of a "tanh" number
    is the tanh of the decoder's output. Samples are drawn and not set to the mean. Rows without that noise would stay
    too close to the latents' information.

    Args:
      layout: (kind, count) of the parts, as in `jaxgen.models.base.GAN`.
    """
    kinds = [kind for kind, count in layout for _ in range(count)]
    numbers, bounded = (jnp.array([kind in group for kind in kinds]) for group in (("linear", "tanh"), ("tanh",)))
    starts = [sum(count for _, count in layout[:i]) for i in range(len(layout))]
    one_hot = [(first, count) for first, (kind, count) in zip(starts, layout, strict=True) if kind == "softmax"]

    def init():
        return {"log_sigmas": jnp.zeros(len(kinds))}

    def spread(parameters):
        # Training rows could be learnt by heart to any precision: a hundredth of a deviation is enough.
        return jnp.where(numbers, jnp.maximum(parameters["log_sigmas"], _LEAST_LOG_SIGMA), 0.0)

    def centre(outputs):
        return jnp.where(bounded, jnp.tanh(outputs), outputs)

    def log_prob(parameters, outputs, observed):
        log_sigma = spread(parameters)
        error = (observed - centre(outputs)) * jnp.exp(-log_sigma)
        density = -0.5 * jnp.square(error) - log_sigma - 0.5 * jnp.log(2 * jnp.pi)
        total = jnp.sum(jnp.where(numbers, density, 0.0), axis=-1)
        for first, count in one_hot:
            logits = jax.nn.log_softmax(outputs[:, first : first + count])
            total = total + jnp.sum(observed[:, first : first + count] * logits, axis=-1)
        return total

    def chosen(outputs, scores):
        rows = centre(outputs)
        for first, count in one_hot:
            part = jax.nn.one_hot(jnp.argmax(scores[:, first : first + count], axis=-1), count)
            rows = rows.at[:, first : first + count].set(part)
        return rows

    def draw(parameters, outputs, key, ids):
        noise = example_normal(key, ids, outputs.shape[1:])
        # The largest of logits with Gumbel noise is a draw of the categorical (Gumbel 1954).
        gumbel = -jnp.log(-jax.scipy.special.log_ndtr(noise))
        return chosen(outputs, outputs + gumbel) + jnp.where(numbers, jnp.exp(spread(parameters)) * noise, 0.0)

    return Likelihood(init, _same_images, log_prob, lambda outputs: chosen(outputs, outputs), draw=draw)


CHOICES = {
    "gaussian": gaussian,
    "bernoulli": bernoulli,
    "discretised_logistic": discretised_logistic,
    "logistic_mixture": logistic_mixture,
    "tabular": tabular,
}


def likelihood_of(settings, layout: tuple[tuple[str, int], ...] | None) -> Likelihood:
    """The likelihood `config.recipe.likelihood`. `layout` describes the rows if the data are a table.

    Raises:
      UserError: an unknown name, a likelihood for other data, a module without a function, or an impossible number.
    """
    name, key = settings.likelihood, "config.recipe.likelihood"
    further = lookup.choices("losses.reconstruction")
    choice = lookup.member({**dict.fromkeys(further), **CHOICES}, name, key)
    if (name == "tabular") != (layout is not None):
        kinds = ("no table", "use another") if layout is None else ("rows of a table", "use recipe.likelihood=tabular")
        raise UserError(f"{key}={name!r}, but the data are {kinds[0]}: {kinds[1]}")
    if layout is not None:
        return choice(layout)
    if name in further:
        return lookup.module("losses.reconstruction", name, key).build(settings)
    if name == "gaussian":
        require(settings, "config.recipe", NOT_NEGATIVE, "sigma")
        return choice(settings.sigma)
    if name == "bernoulli":
        if settings.binarize not in ("dynamic", "threshold"):
            raise UserError(lookup.unknown("config.recipe.binarize", settings.binarize, ["dynamic", "threshold"]))
        return choice(settings.binarize)
    if name == "discretised_logistic":
        return choice()
    if name == "logistic_mixture":
        require(settings, "config.recipe", AT_LEAST_ONE, "mixtures")
        return choice(settings.mixtures)
    return lookup.as_fields(choice, Likelihood, key)


def likelihood_facts(likelihood: Likelihood, dimensions: int, bound: str) -> dict:
    """The facts about the view "log_likelihood" for evaluation. dimensions: H * W * C."""
    outcomes = "binarised" if likelihood.levels == 2 else f"{likelihood.levels} gray levels"
    return {
        "dimensions": dimensions,
        "discrete": likelihood.discrete,
        "bound": bound,
        "pixels": outcomes if likelihood.discrete else "256 gray levels, uniformly dequantised",
        "scale_nats_per_dim": 0.0 if likelihood.discrete else math.log(GRAY_LEVEL),
    }
