"""LSGAN on MNIST (Mao et al. 2017, equation 9: targets 0 and 1) with DCGAN's networks and optimiser, 10 epochs.

Adam 2e-4 (0.5, 0.999) and batch 64, as DCGAN (Radford et al. 2016) and PyTorch-GAN's LSGAN.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.model.width = 32
    config.recipe.loss = "least_squares"
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    return config
