"""1 - MS-SSIM as a reconstruction loss (Snell et al. 2017). It is no likelihood."""

import jax.numpy as jnp

from jaxgen.losses.likelihoods import Likelihood
from jaxgen.metrics import ms_ssim as metric
from jaxgen.settings.number_ranges import POSITIVE, require

# A negative mean contrast has no real power, and the power of 0 has an infinite slope. Below this number a curve with
# a slope everywhere takes the place of the factor.
_FLOOR = 1e-2
_RANGE = 2.0  # of images in [-1, 1]


def build(settings) -> Likelihood:
    """The loss of `config.recipe`: `reconstruction_weight` nats for each unit of 1 - MS-SSIM.

    Images smaller than 21 pixels have one scale only, and `jaxgen.metrics.ms_ssim` refuses them with a UserError.
    """
    require(settings, "config.recipe", POSITIVE, "reconstruction_weight")
    weight = settings.reconstruction_weight

    def log_prob(parameters, outputs, observed):
        del parameters
        # From 0 on: the luminance term compares means, and is none of numbers below 0.
        return -weight * (1 - metric.ms_ssim(jnp.tanh(outputs) + 1, observed + 1, _RANGE, _FLOOR))

    return Likelihood(dict, lambda images, key, ids: images, log_prob, jnp.tanh, normalised=False)
