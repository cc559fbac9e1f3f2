"""sigma-VAE (Rybkin et al. 2021) on MNIST at 28x28 in its gray levels: one learned sigma for all pixels, 10 epochs.

Gaussian likelihood, Adam 1e-3. The convolutional networks of vae_mnist, whose pixels are binarised. Samples come from
the prior and from a mixture of 10 Gaussians fitted to the latents (Ghosh et al. 2020).

Paper: Rybkin, Daniilidis and Levine 2021, Simple and effective VAE training with calibrated decoders.
Published: FID 19.2 from the prior, 17.7 from the mixture, for the VAE of Ghosh et al. 2020 (other networks).
Reached: not trained at full length. fd_efficientnet_lite0 96.39 +- 0.26 (39.72 +- 0.22 from the mixture),
  reconstructions of 21.1 dB and SSIM 0.863 after 5,000 steps, 419 s on a busy machine (commit b78c5a8).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_mnist")
    config.recipe.likelihood = "gaussian"
    config.model.latent_dim = 16  # as the RAE paper's MNIST networks
    config.evaluation.metrics = ("bits_per_dim", "active_units", *config.evaluation.metrics)
    config.evaluation.latent_samplers = ("gaussian_mixture",)
    return config
