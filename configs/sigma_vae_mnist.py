"""sigma-VAE (Rybkin et al. 2021) on MNIST at 28x28 in its gray levels: one learned sigma for all pixels; 10 epochs.

Gaussian likelihood, Adam 1e-3; the convolutional networks of vae_mnist, whose pixels are binarised. Samples come from
the prior and from a mixture of 10 Gaussians fitted to the latents (Ghosh et al. 2020).
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.model.width = 32
    config.model.latent_dim = 16  # as the RAE paper's MNIST networks
    config.model.batch_norm = False
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "ssim", "fd_efficientnet_lite0")
    config.evaluation.latent_samplers = ("gaussian_mixture",)
    return config
