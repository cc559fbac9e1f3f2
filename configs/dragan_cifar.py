"""DRAGAN on CIFAR-10 (Kodali et al. 2017): lambda 10 around the data; the CNN of Miyato et al. 2018 without its norm.

Adam 2e-4 (0.5, 0.999) and batch 64 as in PyTorch-GAN; the critic has no BatchNorm, since the penalty is of each image.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "cifar10"
    config.data.image_size = 32
    config.data.channels = 3
    config.data.flip = True
    config.model.name = "sngan"
    config.model.architecture = "cnn"
    config.model.latent_dim = 128
    config.recipe.penalty = "dragan"
    config.recipe.penalty_weight = 10.0
    config.recipe.ema_decay = 0.9999
    config.steps = 50_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    return config
