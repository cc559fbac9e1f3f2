"""Residual VAE on MNIST at 28x28, all 256 gray levels: a narrow one of the networks of van den Oord et al. 2017.

Discretised logistic likelihood and 0.1 nats of KL free for each latent (both Kingma et al. 2016), Adam 1e-3; 10 epochs.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.recipe.name = "vae"
    config.model.name = "residual_vae"
    config.recipe.likelihood = "discretised_logistic"
    config.recipe.free_bits = 0.1
    config.model.width = 64
    config.model.latent_dim = 32
    config.model.batch_norm = False
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "ssim", "fd_efficientnet_lite0")
    return config
