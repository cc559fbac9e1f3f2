"""LSGAN on CIFAR-10 (Mao et al. 2017, equation 9: targets 0 and 1) with DCGAN's networks, trained as dcgan_cifar.

Batch 128, Adam 2e-4 (0.5, 0.999), 100 latents, mirrored images; the paper has 1e-3 for larger scenes.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "cifar10"
    config.data.image_size = 32
    config.data.channels = 3
    config.data.flip = True
    config.recipe.loss = "least_squares"
    config.batch_size = 128
    config.steps = 50_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.recipe.ema_decay = 0.9999
    return config
