"""WGAN on CIFAR-10 with clipped weights (Arjovsky et al. 2017, Algorithm 1): the paper's defaults on DCGAN's networks.

RMSprop 5e-5, clip 0.01, 5 critic updates a step, batch 64; RMSprop's decay 0.99 as in the authors' PyTorch code. The
baseline that WGAN-GP is compared with: slow, as the paper says of clipping.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "cifar10"
    config.data.image_size = 32
    config.data.channels = 3
    config.data.flip = True
    config.recipe.loss = "wasserstein"
    config.recipe.weight_clip = 0.01
    config.recipe.n_critic = 5
    config.recipe.share_fakes = False
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"name": "rmsprop", "learning_rate": 5e-5, "b1": 0.0, "b2": 0.99})
    config.steps = 100_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    return config
