"""SN-GAN on Fashion-MNIST with classes (Miyato and Koyama 2018), as `sngan_projection_mnist`.

The CNN of Miyato et al. 2018 at half its width, hinge loss, Adam 2e-4 (0.5, 0.999); 10 epochs.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("sngan_projection_mnist")
    config.data.name = "fashion_mnist"
    return config
