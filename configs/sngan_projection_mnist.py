"""SN-GAN on MNIST with classes: projection discriminator, conditional batch normalisation (Miyato and Koyama 2018).

Otherwise as `sngan_mnist`: the CNN of Miyato et al. 2018 at half its width, hinge loss, Adam 2e-4 (0.5, 0.999).
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.data.labels = True
    config.model.name = "sngan"
    config.model.architecture = "cnn"
    config.model.spectral_norm = True
    config.model.latent_dim = 128
    config.recipe.loss = "hinge"
    config.model.conditional = True
    config.model.width = 32
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    return config
