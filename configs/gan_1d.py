"""GAN on the line, as in Figure 1 of Goodfellow et al. 2014: samples/figure1.gif shows p_data, p_g and D meet.

The figure gives no numbers. Uniform latents as there, small networks, Adam (0.5, 0.999), learning rates by trials.
The discriminator goes first, and no weights are averaged, so that D belongs to the p_g of the same picture.

Paper: Goodfellow et al. 2014, Generative adversarial nets.
Published: Figure 1, a drawing without numbers.
Reached: The picture docs/images/gan_1d.png after 6,000 steps, about a minute (README, no number and no commit noted).
"""

from jaxgen.settings import default, presets


def get_config():
    config = default.get_config()
    config.data.name = "gaussian_1d"
    config.model.name = "point_gan"
    config.model.width = 32
    config.model.hidden_layers = 2
    config.model.latent_dim = 1
    config.model.latents = "uniform"
    config.recipe.share_fakes = False
    config.recipe.ema_decay = 0.0
    config.optimizers.generator.update({"learning_rate": 2e-4, "schedule": "linear"})
    config.optimizers.discriminator.update({"learning_rate": 2e-3, "schedule": "linear"})
    config.batch_size = 256
    presets.length(config, steps=6_000, per_dispatch=100)
    config.sample_every = 100
    config.evaluation.metrics = ("wasserstein_1d",)
    return config
