"""SN-GAN on Fashion-MNIST with classes (Miyato and Koyama 2018): projection and conditional BatchNorm.

Otherwise as `sngan_fashion_mnist`: the CNN of Miyato et al. 2018 at half its width, hinge loss, Adam 2e-4 (0.5, 0.999),
10 epochs.

Paper: Miyato and Koyama 2018, cGANs with projection discriminator.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.class_conditional(experiment("sngan_fashion_mnist"))
