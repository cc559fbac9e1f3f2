"""WGAN-GP (Gulrajani et al. 2017) on Stacked MNIST at 28x28, with 1,000 modes.

Networks and training are those of `wgan_gp_mnist`.

Paper: Gulrajani et al. 2017, Improved training of Wasserstein GANs.
Published: No number on Stacked MNIST was at hand.
Reached: not trained at full length. Width 16: 765 modes of 26,000 samples, KL 1.40, after 1,640 steps, 482 s on
  one core (commit 41b0c2a).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.stacked_mnist(experiment("wgan_gp_mnist"))
