"""SN-GAN on CIFAR-10 with classes: projection discriminator, conditional batch normalisation (Miyato and Koyama 2018).

Otherwise as `sngan_cifar`: ResNet, hinge loss, 5 critic updates a step, twice the batch for the generator, Adam 2e-4
(0, 0.9) falling linearly to 0.

Paper: Miyato and Koyama 2018, cGANs with projection discriminator.
Published: Inception Score 8.62, FID 17.5.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.class_conditional(experiment("sngan_cifar"))
