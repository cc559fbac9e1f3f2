"""IWAE (Burda et al. 2016), five draws, on scikit-learn's digits at 16x16, binarised anew at each visit.

A small convolutional network in place of their MLPs.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.recipe.likelihood = "bernoulli"
    config.recipe.iwae_samples = 5
    config.model.width = 32
    config.model.latent_dim = 16
    config.model.batch_norm = False
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "fd_efficientnet_lite0")
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
