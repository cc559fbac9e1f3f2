"""VQ-VAE (van den Oord et al. 2017) on CIFAR-10: 8x8 codes out of 512; 4.67 bits per dimension there.

512 codes, width 256, two residual blocks, commitment 0.25, decay 0.99, Adam 2e-4, batch 128, 250,000 steps: their
sections 3.2 and 4 and appendix A.1. The prior is a causal transformer where they have a PixelCNN.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "cifar10"
    config.data.image_size = 32
    config.data.channels = 3
    config.data.flip = True
    config.recipe.name = config.model.name = "vq_vae"
    config.recipe.likelihood = "discretised_logistic"
    config.model.width = 256
    config.model.prior_width = 256
    config.model.batch_norm = False
    config.optimizers.vae.learning_rate = 2e-4
    config.optimizers.prior.learning_rate = 3e-4
    config.batch_size = 128
    config.steps = 250_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.recipe.ema_decay = 0.9999
    config.evaluation.metrics = ("bits_per_dim", "psnr", "ssim", "fd_efficientnet_lite0")
    return config
