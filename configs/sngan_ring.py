"""SN-GAN (Miyato et al. 2018; hinge loss, spectral normalisation) on a ring of 8 Gaussians (Metz et al. 2017).

Chosen by trying: with one critic update a step and Adam (0.5, 0.999) three of five seeds collapsed, so three updates,
Adam (0.5, 0.9) and the learning rates of sngan_grid. The discriminator sees the points divided by 0.3.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "gaussian_ring"
    config.model.name = "point_gan"
    config.model.width = 128
    config.model.latent_dim = 2
    config.model.data_scale = 0.3
    config.model.spectral_norm = True
    config.recipe.loss = "hinge"
    config.recipe.n_critic = 3
    config.recipe.share_fakes = False
    config.recipe.ema_decay = 0.99
    config.optimizers.generator.update({"learning_rate": 4e-3, "b2": 0.9, "schedule": "linear"})
    config.optimizers.discriminator.update({"learning_rate": 2e-3, "b2": 0.9, "schedule": "linear"})
    config.batch_size = 256
    config.steps = 5_000
    config.steps_per_dispatch = 100
    config.evaluation.metrics = ("modes",)
    config.evaluation.num_samples = 2_500
    return config
