"""Residual VAE on CIFAR-10: the continuous baseline of van den Oord et al. 2017.

Two 4x4 stride-2 convolutions and two residual blocks of width 256 each way, Adam 2e-4, batch 128, 250,000 steps
(sections 4 and 4.1). Mixture of discretised logistics as in Salimans et al. 2017. The paper names no likelihood.

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: 4.51 bits per dimension (section 4.1).
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config())
    config.recipe.name = "vae"
    config.recipe.likelihood = "logistic_mixture"
    config.recipe.ema_decay = 0.9999
    config.model.name = "residual_vae"
    config.model.width = 256
    config.model.latent_dim = 128
    config.model.batch_norm = False
    config.optimizers.vae.learning_rate = 2e-4
    config.batch_size = 128
    config.evaluation.metrics = ("bits_per_dim", "active_units", *config.evaluation.metrics)
    return presets.length(config, steps=250_000, every=1_000)
