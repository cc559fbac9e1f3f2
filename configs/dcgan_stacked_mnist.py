"""DCGAN (Radford et al. 2016) on Stacked MNIST at 28x28, with 1,000 modes.

Networks and training are those of `dcgan_mnist`.

Paper: Radford, Metz and Chintala 2016, Unsupervised representation learning with deep convolutional generative
  adversarial networks.
Published: No number on Stacked MNIST was at hand.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.stacked_mnist(experiment("dcgan_mnist"))
