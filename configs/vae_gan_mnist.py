"""VAE-GAN (Larsen et al. 2016) on MNIST at 28x28: DCGAN's convolutions, 64 latents, 10 epochs.

The weight 0.01 of the feature error is the default of the authors' code, whose networks are for faces.

Paper: Larsen, Sonderby, Larochelle and Winther 2016, Autoencoding beyond pixels using a learned similarity metric.
Published: The paper gives no number for this data set.
Differs: in pythae the discriminator sees no reconstructions, and losses decide who is updated. Here the discriminator
  sees reconstructions, as in the paper, and all networks learn in each step.
Reached: not trained at full length. Width 16: fd_efficientnet_lite0 49.70 +- 0.73 of 2,048 samples, reconstructions
  of 19.2 dB after 3,690 steps, 361 s on one core (commit 020e124).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.recipe.name = config.model.name = "vae_gan"
    config.model.update({"width": 32, "latent_dim": 64})
    config.optimizers.vae.update({"learning_rate": 2e-4, "b1": 0.5})  # as those of the other networks
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
