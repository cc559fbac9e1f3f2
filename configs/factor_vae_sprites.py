"""FactorVAE (Kim and Mnih 2018) with gamma = 10 on sprites with known factors, 64x64.

The discriminator is that of `factor_vae_mnist`. The rest is `vae_sprites`.

Paper: Kim and Mnih 2018, Disentangling by factorising.
Published: No number of the paper was verified here.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_sprites")
    config.recipe.update({"name": "factor_vae", "regularizer_weight": 10.0})
    config.model.update({"discriminator_width": 1_000, "hidden_layers": 6})
    config.optimizers.discriminator.update({"learning_rate": 1e-4, "b1": 0.5, "b2": 0.9})
    return config
