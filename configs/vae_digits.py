"""Convolutional VAE (Kingma and Welling 2014) on scikit-learn's digits at 16x16, sigma learned (Rybkin et al. 2021)."""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.model.width = 32
    config.model.latent_dim = 16
    config.model.batch_norm = False
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
