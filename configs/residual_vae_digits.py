"""Residual VAE on scikit-learn's digits at 16x16: a small one of the networks of van den Oord et al. 2017.

Discretised logistic likelihood (Kingma et al. 2016), 0.1 nats of KL free for each latent (same paper).
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.recipe.name = "vae"
    config.model.name = "residual_vae"
    config.recipe.likelihood = "discretised_logistic"
    config.recipe.free_bits = 0.1
    config.model.width = 32
    config.model.latent_dim = 16
    config.model.batch_norm = False
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "fd_efficientnet_lite0")
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
