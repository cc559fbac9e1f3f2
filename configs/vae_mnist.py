"""Convolutional VAE on dynamically binarised MNIST (Salakhutdinov and Murray 2008), 28x28: 10 epochs.

Bernoulli likelihood and Adam 1e-3 as in Burda et al. 2016. The paper's networks are MLPs with 50 latents. Here they are
convolutional with 32 latents.

Paper: Kingma and Welling 2014, Auto-encoding variational Bayes.
Published: 86.76 nats (K = 5,000) in Burda et al. 2016, with their MLPs after 3,280 epochs.
Reached: fd_efficientnet_lite0 34.77 +- 0.15, KID 0.0474, reconstructions of 22.9 dB and SSIM 0.933 after 9,500 steps,
  457 s (commit a03707b).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.recipe.name = "vae"
    config.recipe.likelihood = "bernoulli"
    config.model.name = "conv_vae"
    config.model.width = 32
    config.model.latent_dim = 32
    config.model.batch_norm = False
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
