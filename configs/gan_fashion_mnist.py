"""GAN of dense layers (Goodfellow et al. 2014) on Fashion-MNIST (Xiao et al. 2017), as `gan_mnist`.

PyTorch-GAN's networks, batch 64, Adam 2e-4 (0.5, 0.999), latents of 100; 50 epochs.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("gan_mnist")
    config.data.name = "fashion_mnist"
    return config
