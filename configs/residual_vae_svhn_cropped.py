"""Residual VAE on SVHN's cropped digits: the networks of van den Oord et al. 2017 (section 4.1), half as wide.

Mixture of discretised logistics (Salimans et al. 2017), Adam 2e-4, batch 128: as residual_vae_cifar. No mirrored
images: these are digits.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "svhn_cropped"
    config.data.image_size = 32
    config.data.channels = 3
    config.recipe.name = "vae"
    config.model.name = "residual_vae"
    config.recipe.likelihood = "logistic_mixture"
    config.model.width = 128
    config.model.latent_dim = 128
    config.model.batch_norm = False
    config.optimizers.vae.learning_rate = 2e-4
    config.batch_size = 128
    config.steps = 50_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.recipe.ema_decay = 0.9999
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "ssim", "fd_efficientnet_lite0")
    return config
