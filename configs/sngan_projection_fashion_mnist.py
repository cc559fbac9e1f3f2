"""SN-GAN on Fashion-MNIST with classes (Miyato and Koyama 2018), as `sngan_projection_mnist`.

The CNN of Miyato et al. 2018 at half its width, hinge loss, Adam 2e-4 (0.5, 0.999); 10 epochs.
"""

from configs import sngan_projection_mnist


def get_config():
    config = sngan_projection_mnist.get_config()
    config.data.name = "fashion_mnist"
    return config
