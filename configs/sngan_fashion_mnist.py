"""SN-GAN on Fashion-MNIST (Miyato et al. 2018): the CNN of table 3 at half its width, hinge loss, setting C of table 1.

Adam 2e-4 (0.5, 0.999), one critic update a step, batch 64: as `sngan_mnist`.

Paper: Miyato et al. 2018, Spectral normalization for generative adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.fashion_mnist(experiment("sngan_mnist"))
