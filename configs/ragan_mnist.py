"""RaGAN (Jolicoeur-Martineau 2019) on MNIST: each example against the average of the other kind.

The networks are those of `sngan_mnist`. The averages are over the batch of all devices.

Differs: PyTorch-GAN overwrites its relativistic generator loss with a plain one. Its formula for the generator also
lacks the term of the reals. Here both players have both terms.

Paper: Jolicoeur-Martineau 2019, The relativistic discriminator: a key element missing from standard GAN.
Published: No number of samples' quality on MNIST was at hand.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("sngan_mnist")
    config.recipe.loss = "relativistic_average"
    return config
