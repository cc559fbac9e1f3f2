"""SN-GAN on CIFAR-10 with its ResNet (Miyato et al. 2018, table 4, appendix B.3), hinge loss.

Generator of 256 channels, discriminator of 128, batch 64 for the discriminator and 128 for the generator, 5 critic
updates a step, Adam 2e-4 (0, 0.9) falling linearly to 0 in 50,000 steps: FID 21.7 in the paper's table 2. Mimicry, with
`--config.recipe.generator_batch=1 --config.steps=100000`, reports 16.77.
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
    config.model.spectral_norm = True
    config.model.latent_dim = 128
    config.recipe.loss = "hinge"
    config.model.width = 256
    config.model.discriminator_width = 128
    config.recipe.n_critic = 5
    config.recipe.generator_batch = 2
    config.recipe.share_fakes = False
    config.recipe.dequantize = True
    config.recipe.ema_decay = 0.9999
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"b1": 0.0, "b2": 0.9, "schedule": "linear"})
    config.steps = 50_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    return config
