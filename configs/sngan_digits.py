"""SN-GAN (Miyato et al. 2018, CNN, hinge loss, setting C of table 1) on the digits at 16x16: a few minutes.

As `sngan_mnist`, half as wide and with a quarter of its latents.

Paper: Miyato et al. 2018, Spectral normalization for generative adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length. In study_digits at width 8, 1,500 steps, three seeds: fd_efficientnet_lite0 19.1 +-
  1.2, 61 s a seed (commit 6bd453c).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.digits(experiment("sngan_mnist"))
    config.model.latent_dim = 32
    config.model.width = 16
    return presets.length(config, steps=4_500)
