"""Softmax GAN (Lin 2017) on MNIST: cross entropy of a softmax over the batch of reals and fakes.

The networks are those of `sngan_mnist`.

Differs: PyTorch-GAN sums exponentials that can overflow. Its generator's gradient goes through a discriminator that has
changed in between. Here the sum is stable and covers the batch of all devices.

Paper: Lin 2017, Softmax GAN.
Published: No number of samples' quality on MNIST was at hand.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("sngan_mnist")
    config.recipe.loss = "softmax"
    return config
