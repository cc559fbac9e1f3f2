"""DCGAN on CIFAR-10: the 32x32 network of Radford et al. 2016, trained as pytorch-gan-collections reports it.

Batch 128, 100,000 steps, Adam 2e-4 (0.5, 0.9), latents of 100, mirrored images, linear decay of the learning rate:
FID 42.72, Inception Score 6.01 there (50,000 samples against the training set).
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "cifar10"
    config.data.image_size = 32
    config.data.channels = 3
    config.data.flip = True
    config.model.width = 64
    config.batch_size = 128
    config.steps = 100_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.recipe.ema_decay = 0.9999
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.b2 = 0.9
        player.schedule = "linear"
    return config
