"""Residual VAE on CIFAR-10: the continuous baseline of van den Oord et al. 2017, 4.51 bits per dimension there.

Two 4x4 stride-2 convolutions and two residual blocks of width 256 each way, Adam 2e-4, batch 128, 250,000 steps: their
section 4 and 4.1. Mixture of discretised logistics as in Salimans et al. 2017; they do not name their likelihood.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "cifar10"
    config.data.image_size = 32
    config.data.channels = 3
    config.data.flip = True
    config.recipe.name = "vae"
    config.model.name = "residual_vae"
    config.recipe.likelihood = "logistic_mixture"
    config.model.width = 256
    config.model.latent_dim = 128
    config.model.batch_norm = False
    config.optimizers.vae.learning_rate = 2e-4
    config.batch_size = 128
    config.steps = 250_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.recipe.ema_decay = 0.9999
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "ssim", "fd_efficientnet_lite0")
    return config
