"""SN-GAN (Miyato et al. 2018) on Stacked MNIST at 28x28, with 1,000 modes.

Networks and training are those of `sngan_mnist`.

Paper: Miyato et al. 2018, Spectral normalization for generative adversarial networks.
Published: No number on Stacked MNIST was at hand.
Reached: not trained at full length. Width 16: 923 modes of 26,000 samples, KL 0.88, after 2,440 steps, 481 s on
  one core (commit 41b0c2a).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.stacked_mnist(experiment("sngan_mnist"))
