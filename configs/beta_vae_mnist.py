"""beta-VAE (Higgins et al. 2017) with beta = 4 on dynamically binarised MNIST, 28x28: 10 epochs.

beta = 4 and 10 latents are the paper's, for other images. beta rises over the first 2,000 steps (Bowman et al. 2016). A
full beta from the start would press latents onto the prior before they carry information. The rest is `vae_mnist`.

Paper: Higgins et al. 2017, beta-VAE: learning basic visual concepts with a constrained variational framework.
Published: The paper gives no number for this data set.
Reached: not trained at full length. fd_efficientnet_lite0 50.41 +- 0.27, KID 0.0785, reconstructions of 17.7 dB and
  SSIM 0.739 after 5,000 steps, 175 s on a busy machine (commit 7c49ca3).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_mnist")
    config.recipe.beta = 4.0
    config.recipe.beta_warmup = 2_000
    config.model.latent_dim = 10
    config.evaluation.metrics = ("bits_per_dim", "active_units", *config.evaluation.metrics)
    return config
