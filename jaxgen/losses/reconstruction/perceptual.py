"""Distance of VGG features as a reconstruction loss (Hou et al. 2017, deep feature consistent VAE). No likelihood."""

from collections.abc import Iterator
from itertools import islice

import jax
import jax.numpy as jnp

from jaxgen.losses.likelihoods import Likelihood
from jaxgen.metrics.extractors import lpips_vgg
from jaxgen.metrics.extractors.lpips import scaled
from jaxgen.settings.number_ranges import POSITIVE, require

# The first blocks of VGG16: their last activations are relu1_2, relu2_2 and relu3_3.
_BLOCKS = 3


def features(images: jax.Array) -> Iterator[jax.Array]:
    """Activations [B, h, w, C] of the first three blocks of VGG16, for images [B, H, W, 1 or 3] in [-1, 1].

    Raises:
      UserError: the weights cannot be had. `python -m jaxgen.weights --fetch lpips_vgg` fetches them.
    """
    network = lpips_vgg.load()
    return islice(network.activations(network.params["layers"], scaled(images)), _BLOCKS)


def build(settings) -> Likelihood:
    """The loss of `config.recipe`: `reconstruction_weight` nats for each unit of the distance.

    The distance is the sum over layers of half the mean squared difference of features (Hou et al. 2017, section 3.2).
    """
    require(settings, "config.recipe", POSITIVE, "reconstruction_weight")
    weight = settings.reconstruction_weight

    def log_prob(parameters, outputs, observed):
        del parameters
        pairs = zip(features(jnp.tanh(outputs)), features(observed), strict=True)
        return -weight * sum(0.5 * jnp.mean(jnp.square(a - b), axis=(1, 2, 3)) for a, b in pairs)

    return Likelihood(dict, lambda images, key, ids: images, log_prob, jnp.tanh, normalised=False)
