"""Convolutional VAE on Fashion-MNIST at 28x28 with one learned sigma (sigma-VAE, Rybkin et al. 2021): 10 epochs.

Gray clothes are no coins: a Gaussian in place of vae_mnist's Bernoulli, the rest as there.

Paper: Rybkin, Daniilidis and Levine 2021, Simple and effective VAE training with calibrated decoders.
Published: No number for this data set was at hand.
Reached: not trained at full length. Width 16: FID 134.4 +- 0.9 of 2,048 samples, reconstructions of 22.4 dB after
  21,890 steps, 300 s on one core (commit cb9627a).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.fashion_mnist(experiment("vae_mnist"))
    config.recipe.likelihood = "gaussian"
    return config
