"""StyleGAN2 (Karras et al. 2020) on MNIST at 32x32, an eighth of the `cifar` settings' width (see `stylegan2_cifar`).

Their rate, decays, mapping and R1 weight; no mirrored images: these are digits. The sizes of network and batch and
the length of the run are ours.
"""

from configs import stylegan2_tiny


def get_config():
    config = stylegan2_tiny.get_config()
    config.data.name = "mnist"
    config.data.channels = 1
    return config
