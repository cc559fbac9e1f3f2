"""BEGAN on MNIST (Berthelot et al. 2017): convolutions of 16 channels with ELU, no normalisation, uniform latents.

Gamma 0.5, lambda_k 0.001, Adam 1e-4 with linear decay.

Paper: Berthelot, Schumm and Metz 2017, BEGAN: boundary equilibrium generative adversarial networks.
Published: The paper gives no number for this data set.
Differs: PyTorch-GAN has batch normalisation in the discriminator, normal latents and a constant learning rate. The
  paper halves the learning rate when convergence stalls, and this experiment lets it fall linearly.
Reached: not trained at full length. Gray blots after 640 steps, FID 302.4 +- 0.5 of 2,048 samples, 180 s on one core
  (commit bc8319e).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.model.update({"name": "energy_gan", "architecture": "conv", "width": 16, "latents": "uniform"})
    config.model.latent_dim, config.recipe.name = 64, "began"
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 1e-4, "schedule": "linear"})
    return presets.length(config, steps=19_000, every=1_000)  # 20.3 epochs of 60,000
