"""SN-GAN on MNIST with classes: projection discriminator, conditional batch normalisation (Miyato and Koyama 2018).

Otherwise as `sngan_mnist`: the CNN of Miyato et al. 2018 at half its width, hinge loss, Adam 2e-4 (0.5, 0.999).

Paper: Miyato and Koyama 2018, cGANs with projection discriminator.
Published: The paper gives no number for this data set.
Reached: not trained at full length. Width 16: fd_efficientnet_lite0 28.83 +- 0.33, KID 0.0374 after 3,000 steps, 534 s
  on a busy machine (commit a0f4fcc).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.class_conditional(experiment("sngan_mnist"))
