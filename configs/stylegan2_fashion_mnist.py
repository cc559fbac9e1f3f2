"""StyleGAN2 (Karras et al. 2020) on Fashion-MNIST (Xiao et al. 2017) at 32x32, as `stylegan2_mnist`.

Mirrored images count as images: a shoe may point either way.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("stylegan2_mnist")
    config.data.name = "fashion_mnist"
    config.data.flip = True
    return config
