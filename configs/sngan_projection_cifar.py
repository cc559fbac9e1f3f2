"""SN-GAN on CIFAR-10 with classes: projection discriminator, conditional batch normalisation (Miyato and Koyama 2018).

Otherwise as `sngan_cifar`: ResNet, hinge loss, 5 critic updates a step, twice the batch for the generator, Adam 2e-4
(0, 0.9) falling linearly to 0.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "cifar10"
    config.data.image_size = 32
    config.data.channels = 3
    config.data.flip = True
    config.data.labels = True
    config.model.name = "sngan"
    config.model.architecture = "resnet"
    config.model.spectral_norm = True
    config.model.latent_dim = 128
    config.recipe.loss = "hinge"
    config.model.conditional = True
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
