"""GAN (Goodfellow et al. 2014) on a ring of 8 Gaussians, as Metz et al. 2017 train it to show that it loses modes.

Networks and optimiser of the paper (appendix A): generator with two hidden layers of 128, latents of 256. The
discriminator's input is divided by 4. Adam 1e-4 (0.5), non-saturating loss. Here both networks have two hidden layers.

Paper: Metz et al. 2017, Unrolled generative adversarial networks.
Published: 1 of 8 modes, 99.3% of high quality, for a GAN of Srivastava et al. 2017 (VEEGAN, table 1).
Reached: 5, 2, 1, 3, 3 of 8 modes for five seeds, 1.1 +- 1.6% of high quality, after 8,000 steps, seconds not noted
  (commit 855e161).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.ring(default.get_config())
    config.model.name = "point_gan"
    config.model.width = 128
    config.model.hidden_layers = 2
    config.model.latent_dim = 256
    config.model.data_scale = 4.0
    config.recipe.ema_decay = 0.0  # the generator as it is, not its average over the modes that it visits
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.learning_rate = 1e-4
    return presets.length(config, steps=8_000, per_dispatch=100)
