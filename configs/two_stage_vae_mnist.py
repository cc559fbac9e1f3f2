"""Two-stage VAE (Dai and Wipf 2019) on MNIST at 28x28 in its gray levels: a second VAE on the latents, 10 epochs.

The first stage is sigma_vae_mnist with 64 latents, which learns the deviation of its pixels. The second stage is fitted
after training. A flow (MAF, Papamakarios et al. 2017) is fitted beside it, for comparison.

Paper: Dai and Wipf 2019, Diagnosing and enhancing VAE models.
Published: No number for these networks was at hand.
Differs: PyTorch-VAE builds its second VAE and never uses it.
Reached: not trained at full length. Width 16: fd_efficientnet_lite0 69.32 of 2,048 samples, reconstructions of 27.3
  dB after 7,760 steps, 180 s on one core (commit 020e124).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("sigma_vae_mnist")
    config.model.latent_dim = 64
    config.evaluation.latent_samplers = ("two_stage", "maf", "gaussian_mixture")
    return config
