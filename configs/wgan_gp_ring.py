"""WGAN-GP (Gulrajani et al. 2017) on a ring of 8 Gaussians.

As in their code of toy data: lambda 0.1, three hidden layers, latents of 2, points divided by 1.414, batch 256, Adam
(0.5, 0.9). To be done in a minute: layers of 128 units (theirs: 512), learning rate 1e-3 falling to 0 (1e-4), two
critic updates a step (5), 4,000 steps (100,000), and a moving average.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "gaussian_ring"
    config.model.name = "point_gan"
    config.model.width = 128
    config.model.latent_dim = 2
    config.model.data_scale = 1.414
    config.recipe.loss = "wasserstein"
    config.recipe.penalty = "wgan_gp"
    config.recipe.penalty_weight = 0.1
    config.recipe.n_critic = 2
    config.recipe.share_fakes = False
    config.recipe.ema_decay = 0.99
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 1e-3, "b2": 0.9, "schedule": "linear"})
    config.batch_size = 256
    config.steps = 4_000
    config.steps_per_dispatch = 100
    config.evaluation.metrics = ("modes",)
    config.evaluation.num_samples = 2_500
    return config
