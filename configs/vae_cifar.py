"""Convolutional VAE on CIFAR-10 with one learned sigma (sigma-VAE, Rybkin et al. 2021), 128 latents.

Paper: Rybkin, Daniilidis and Levine 2021, Simple and effective VAE training with calibrated decoders.
Published: FID 106.4 from the prior, 103.8 from a mixture of 10 Gaussians, for the VAE of Ghosh et al. 2020 (other
  networks).
Reached: not trained at full length. Width 32, batch 64: fd_efficientnet_lite0 138.5 +- 0.4, KID 0.178, reconstructions
  of 24.0 dB and SSIM 0.767 after 5,000 steps, 3,172 s on a busy machine (commit b78c5a8).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config())
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.model.width = 64
    config.model.latent_dim = 128
    config.model.batch_norm = False
    config.batch_size = 128
    return presets.length(config, steps=40_000, every=1_000)
