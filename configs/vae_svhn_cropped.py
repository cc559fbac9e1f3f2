"""Convolutional VAE on SVHN's cropped digits with one learned sigma (sigma-VAE, Rybkin et al. 2021), as vae_cifar.

No mirrored images: these are digits.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "svhn_cropped"
    config.data.image_size = 32
    config.data.channels = 3
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.model.latent_dim = 128
    config.model.batch_norm = False
    config.batch_size = 128
    config.steps = 40_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    return config
