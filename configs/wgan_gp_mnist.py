"""WGAN-GP on MNIST (Gulrajani et al. 2017): the defaults of its Algorithm 1, on the CNN of Miyato et al. 2018.

lambda 10, 5 critic updates a step, Adam 1e-4 (0, 0.9), batch 64, no normalisation in the critic.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.model.name = "sngan"
    config.model.architecture = "cnn"
    config.model.latent_dim = 128
    config.recipe.loss = "wasserstein"
    config.recipe.penalty = "wgan_gp"
    config.recipe.penalty_weight = 10.0
    config.recipe.n_critic = 5
    config.recipe.share_fakes = False
    config.model.width = 32
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 1e-4, "b1": 0.0, "b2": 0.9})
    config.steps = 9_500
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    return config
