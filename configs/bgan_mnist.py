"""BGAN (Hjelm et al. 2018) on MNIST, in its form for continuous data: the generator moves fakes to the boundary.

The networks are those of `dcgan_mnist`.

Differs: PyTorch-GAN computes the loss from a sigmoid. It is infinite where the sigmoid saturates. Here it is computed
from the logit.

Paper: Hjelm et al. 2018, Boundary-seeking generative adversarial networks.
Published: No number of samples' quality on MNIST was at hand.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("dcgan_mnist")
    config.recipe.loss = "boundary_seeking"
    return config
