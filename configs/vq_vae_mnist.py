"""VQ-VAE (van den Oord et al. 2017) on MNIST at 28x28: 7x7 codes out of 128, and a prior over them; 10 epochs.

Commitment 0.25, decay 0.99 and two residual blocks are the paper's (sections 3.2, 4, A.1), which has no MNIST; the
networks are narrower, and learn five times as fast (1e-3 where the paper has 2e-4).
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.recipe.name = config.model.name = "vq_vae"
    config.model.width = 64
    config.model.num_codes = 128
    config.model.code_dim = 32
    config.model.batch_norm = False
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    config.evaluation.metrics = ("bits_per_dim", "psnr", "ssim", "fd_efficientnet_lite0")
    return config
