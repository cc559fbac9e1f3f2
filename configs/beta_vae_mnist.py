"""beta-VAE (Higgins et al. 2017) with beta = 4 on dynamically binarised MNIST, 28x28: 10 epochs.

beta = 4 and 10 latents are theirs (for other images); it rises over the first 2,000 steps (Bowman et al. 2016), since
from the start it would press latents onto the prior before they carry anything.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.recipe.likelihood = "bernoulli"
    config.recipe.beta = 4.0
    config.recipe.beta_warmup = 2_000
    config.model.width = 32
    config.model.latent_dim = 10
    config.model.batch_norm = False
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "ssim", "fd_efficientnet_lite0")
    return config
