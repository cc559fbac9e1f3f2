"""SN-GAN (Miyato et al. 2018; hinge loss, spectral normalisation) on a ring of 8 Gaussians.

The mixture of Metz et al. 2017. Their networks' width; the discriminator sees the points times 5, so that its slope
may reach 5; learning rates by trying, one critic update a step.
"""

from configs import default


def get_config():
    config = default.get_config()
    config.data.name = "gaussian_ring"
    config.model.name = "point_gan"
    config.model.width = 128
    config.model.latent_dim = 2
    config.model.data_scale = 0.2
    config.model.spectral_norm = True
    config.recipe.loss = "hinge"
    config.recipe.ema_decay = 0.99
    config.optimizers.generator.update({"learning_rate": 1e-3, "schedule": "linear"})
    config.optimizers.discriminator.update({"learning_rate": 2e-3, "schedule": "linear"})
    config.batch_size = 256
    config.steps = 5_000
    config.steps_per_dispatch = 100
    config.evaluation.metrics = ("modes",)
    config.evaluation.num_samples = 2_500
    return config
