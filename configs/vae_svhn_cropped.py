"""Convolutional VAE on SVHN's cropped digits with one learned sigma (sigma-VAE, Rybkin et al. 2021), as vae_cifar.

Paper: Rybkin, Daniilidis and Levine 2021, Simple and effective VAE training with calibrated decoders.
Published: No number for this data set was at hand.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.svhn_cropped(experiment("vae_cifar"))
