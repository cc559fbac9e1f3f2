"""LSGAN (Mao et al. 2017, equation 9: targets 0 and 1) on Fashion-MNIST (Xiao et al. 2017), as `lsgan_mnist`.

DCGAN's networks, Adam 2e-4 (0.5, 0.999), batch 64; 10 epochs.
"""

from configs import lsgan_mnist


def get_config():
    config = lsgan_mnist.get_config()
    config.data.name = "fashion_mnist"
    return config
