"""SN-GAN on Fashion-MNIST (Miyato et al. 2018): the CNN of table 3 at half its width, hinge loss, setting C of table 1.

Adam 2e-4 (0.5, 0.999), one critic update a step, batch 64.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "fashion_mnist"
    config.data.image_size = 28
    config.model.name = "sngan"
    config.model.architecture = "cnn"
    config.model.spectral_norm = True
    config.model.latent_dim = 128
    config.recipe.loss = "hinge"
    config.model.width = 32
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    return config
