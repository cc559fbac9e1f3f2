"""Convolutional VAE on CIFAR-10 with one learned sigma (sigma-VAE, Rybkin et al. 2021), 128 latents."""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "cifar10"
    config.data.image_size = 32
    config.data.channels = 3
    config.data.flip = True
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.model.width = 64
    config.model.latent_dim = 128
    config.model.batch_norm = False
    config.batch_size = 128
    config.steps = 40_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    return config
