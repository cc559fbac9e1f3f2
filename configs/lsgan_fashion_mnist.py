"""LSGAN (Mao et al. 2017, equation 9: targets 0 and 1) on Fashion-MNIST (Xiao et al. 2017), as `lsgan_mnist`.

DCGAN's networks, Adam 2e-4 (0.5, 0.999), batch 64; 10 epochs.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("lsgan_mnist")
    config.data.name = "fashion_mnist"
    return config
