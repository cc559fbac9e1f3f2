"""Convolutional VAE on Fashion-MNIST at 28x28 with one learned sigma (sigma-VAE, Rybkin et al. 2021): 10 epochs.

Gray clothes are no coins: a Gaussian in place of vae_mnist's Bernoulli, the rest as there.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "fashion_mnist"
    config.data.image_size = 28
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.model.width = 32
    config.model.latent_dim = 32
    config.model.batch_norm = False
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    return config
