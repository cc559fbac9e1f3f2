"""StyleGAN2 (Karras et al. 2020) on MNIST at 32x32, an eighth of the `cifar` settings' width (see `stylegan2_cifar`).

Their rate, decays, mapping and R1 weight; no mirrored images: these are digits. The sizes of network and batch and
the length of the run are ours.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("stylegan2_tiny")
    config.data.name = "mnist"
    config.data.channels = 1
    return config
