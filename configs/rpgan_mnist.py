"""RpGAN (Jolicoeur-Martineau 2019) on MNIST: each real against one fake, with the networks of `sngan_mnist`.

Differs: PyTorch-GAN overwrites its relativistic generator loss with a plain one. Here both players compare pairs. The
discriminator has no batch normalisation, which would mix the pairs.

Paper: Jolicoeur-Martineau 2019, The relativistic discriminator: a key element missing from standard GAN.
Published: No number of samples' quality on MNIST was at hand.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("sngan_mnist")
    config.recipe.loss = "relativistic"
    return config
