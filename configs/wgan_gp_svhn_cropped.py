"""WGAN-GP (Gulrajani et al. 2017) on SVHN's cropped digits, as `wgan_gp_cifar`.

ResNets of 128 channels, lambda 10, 5 critic updates a step, Adam 2e-4 (0, 0.9) falling linearly to 0.

Paper: Gulrajani et al. 2017, Improved training of Wasserstein GANs.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.svhn_cropped(experiment("wgan_gp_cifar"))
