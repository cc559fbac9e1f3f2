"""DRAGAN on MNIST (Kodali et al. 2017): lambda 10 around the data; the CNN of Miyato et al. 2018 without its norm.

Adam 2e-4 (0.5, 0.999) and batch 64 as in PyTorch-GAN; the critic has no BatchNorm, since the penalty is of each image.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.model.name = "sngan"
    config.model.architecture = "cnn"
    config.model.width = 32
    config.recipe.penalty = "dragan"
    config.recipe.penalty_weight = 10.0
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    return config
