"""WGAN-GP on CIFAR-10 with its ResNet (Gulrajani et al. 2017, appendix C and the authors' gan_cifar_resnet.py).

128 channels in both networks, lambda 10, 5 critic updates a step, twice the batch of 64 for the generator, Adam 2e-4
(0, 0.9) falling linearly to 0 in 100,000 steps. Mimicry reports FID 22.29 for it, pytorch-gan-collections 16.95.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "cifar10"
    config.data.image_size = 32
    config.data.channels = 3
    config.data.flip = True
    config.model.name = "sngan"
    config.model.architecture = "resnet"
    config.model.latent_dim = 128
    config.recipe.loss = "wasserstein"
    config.recipe.penalty = "wgan_gp"
    config.recipe.penalty_weight = 10.0
    config.recipe.n_critic = 5
    config.recipe.generator_batch = 2
    config.recipe.share_fakes = False
    config.model.width = 128
    config.recipe.dequantize = True
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"b1": 0.0, "b2": 0.9, "schedule": "linear"})
    config.steps = 100_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    return config
