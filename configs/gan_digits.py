"""GAN of dense layers (Goodfellow et al. 2014, networks and optimiser of PyTorch-GAN) on the digits at 16x16.

Paper: Goodfellow et al. 2014, Generative adversarial nets.
Published: The paper gives no number for this data set.
Reached: not trained at full length. In study_digits, 1,500 steps, three seeds: fd_efficientnet_lite0 117 +- 21, 12 s a
  seed (commit 6bd453c).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.digits(experiment("gan_mnist"))
    config.model.width = 32
    config.model.latent_dim = 32
    return presets.length(config, steps=9_000, per_dispatch=50)
