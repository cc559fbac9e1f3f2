"""SN-GAN on Fashion-MNIST (Miyato et al. 2018): the CNN of table 3 at half its width, hinge loss, setting C of table 1.

Adam 2e-4 (0.5, 0.999), one critic update a step, batch 64: as `sngan_mnist`.

Paper: Miyato et al. 2018, Spectral normalization for generative adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length. Width 16: FID 99.2 +- 0.7 of 2,048 samples after 1,630 steps, 300 s on one core
  (commit cb9627a).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.fashion_mnist(experiment("sngan_mnist"))
