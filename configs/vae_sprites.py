"""VAE on sprites with known factors, 64x64: the baseline of `beta_tc_vae_sprites` and `factor_vae_sprites`.

Ten latents, a Bernoulli likelihood and a small convolutional network.

Paper: Kingma and Welling 2014, Auto-encoding variational Bayes.
Published: The paper gives no number for this data set.
Reached: not trained at full length. MIG 0.029 +- 0.017 over five seeds after 5,000 steps, about 550 s on one core
  (commit d57f0c2).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.sprites(default.get_config())
    config.recipe.update({"name": "vae", "likelihood": "bernoulli", "binarize": "threshold"})
    config.model.update({"name": "conv_vae", "width": 16, "latent_dim": 10, "batch_norm": False})
    config.optimizers.vae.learning_rate = 5e-4
    return presets.length(config, steps=15_000, every=1_000, per_dispatch=50)
