"""WGAN with clipped weights (Arjovsky et al. 2017, Algorithm 1) on the digits at 16x16: RMSprop 5e-5, clip 0.01.

5 critic updates a step, batch 64, as `wgan_cifar`. Half as wide, 32 latents.

Paper: Arjovsky, Chintala and Bottou 2017, Wasserstein GAN.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.digits(experiment("wgan_cifar"))
    config.model.width = 32
    config.model.latent_dim = 32
    return presets.length(config, steps=4_500)
