"""beta-VAE (Higgins et al. 2017) with beta = 4 on scikit-learn's digits at 16x16, binarised anew at each visit.

beta = 4 and 10 latents are theirs; beta rises over the first 500 steps (Bowman et al. 2016).
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.recipe.likelihood = "bernoulli"
    config.recipe.beta = 4.0
    config.recipe.beta_warmup = 500
    config.model.width = 32
    config.model.latent_dim = 10
    config.model.batch_norm = False
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "fd_efficientnet_lite0")
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
