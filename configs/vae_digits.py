"""Convolutional VAE (Kingma and Welling 2014) on scikit-learn's digits at 16x16, sigma learned (Rybkin et al. 2021).

A narrow one of `vae_cifar`.

Paper: Rybkin, Daniilidis and Levine 2021, Simple and effective VAE training with calibrated decoders.
Published: The paper gives no number for this data set.
Reached: not trained at full length. In study_digits, 1,500 steps, three seeds: fd_efficientnet_lite0 40.1 +- 0.5, 19 s
  a seed (commit 6bd453c).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.digits(experiment("vae_cifar"))
    config.model.width = 32
    config.model.latent_dim = 16
    config.batch_size = 64
    return presets.length(config, steps=3_000, per_dispatch=10)
