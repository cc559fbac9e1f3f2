"""GAN (Goodfellow et al. 2014) on a ring of 8 Gaussians, as Metz et al. 2017 train it to show that it loses modes.

Their networks and optimiser (appendix A): two hidden layers of 128 in the generator, latents of 256, the
discriminator's input divided by 4, Adam 1e-4 (0.5), non-saturating loss; here both networks have two hidden layers.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "gaussian_ring"
    config.model.name = "point_gan"
    config.model.width = 128
    config.model.hidden_layers = 2
    config.model.latent_dim = 256
    config.model.data_scale = 4.0
    config.recipe.ema_decay = 0.0  # the generator as it is, not its average over the modes that it visits
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.learning_rate = 1e-4
    config.batch_size = 256
    config.steps = 8_000
    config.steps_per_dispatch = 100
    config.evaluation.metrics = ("modes",)
    config.evaluation.num_samples = 2_500
    return config
