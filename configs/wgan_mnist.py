"""WGAN on MNIST with clipped weights (Arjovsky et al. 2017, Algorithm 1): the paper's defaults on DCGAN's networks.

RMSprop 5e-5, clip 0.01, 5 critic updates a step, batch 64, as `wgan_cifar`. Half as wide.

Paper: Arjovsky, Chintala and Bottou 2017, Wasserstein GAN.
Published: The paper gives no number for this data set.
Reached: not trained at full length. fd_efficientnet_lite0 67.72 +- 0.15, KID 0.1074 after 4,000 steps, 844 s (commit
  863313a).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.mnist(experiment("wgan_cifar"))
    config.model.width = 32
    return presets.length(config, steps=9_500)
