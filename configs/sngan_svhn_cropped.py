"""SN-GAN on SVHN's cropped digits (Miyato et al. 2018): the CNN of table 3, hinge loss, setting C of table 1.

Adam 2e-4 (0.5, 0.999), one critic update a step, batch 64; the paper has no SVHN. No mirrored images: these are digits.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "svhn_cropped"
    config.data.image_size = 32
    config.data.channels = 3
    config.model.name = "sngan"
    config.model.architecture = "cnn"
    config.model.spectral_norm = True
    config.model.latent_dim = 128
    config.recipe.loss = "hinge"
    config.model.width = 64
    config.recipe.dequantize = True
    config.recipe.ema_decay = 0.9999
    config.steps = 50_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    return config
