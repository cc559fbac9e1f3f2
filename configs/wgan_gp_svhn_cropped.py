"""WGAN-GP (Gulrajani et al. 2017) on SVHN's cropped digits, as `wgan_gp_cifar`.

ResNets of 128 channels, lambda 10, 5 critic updates a step, Adam 2e-4 (0, 0.9) falling linearly to 0; no mirrored
images.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("wgan_gp_cifar")
    config.data.name = "svhn_cropped"
    config.data.flip = False  # these are digits
    return config
