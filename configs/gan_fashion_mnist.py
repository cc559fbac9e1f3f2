"""GAN of dense layers (Goodfellow et al. 2014) on Fashion-MNIST (Xiao et al. 2017), as `gan_mnist`.

PyTorch-GAN's networks, batch 64, Adam 2e-4 (0.5, 0.999), latents of 100; 50 epochs.
"""

from configs import gan_mnist


def get_config():
    config = gan_mnist.get_config()
    config.data.name = "fashion_mnist"
    return config
