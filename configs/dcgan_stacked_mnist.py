"""DCGAN (Radford et al. 2016) on Stacked MNIST at 28x28, with 1,000 modes.

Networks and training are those of `dcgan_mnist`.

Paper: Radford, Metz and Chintala 2016, Unsupervised representation learning with deep convolutional generative
  adversarial networks.
Published: No number on Stacked MNIST was at hand.
Reached: not trained at full length. Width 16: 972 modes of 26,000 samples, KL 0.61, after 16,950 steps, 480 s on
  one core (commit 41b0c2a).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.stacked_mnist(experiment("dcgan_mnist"))
