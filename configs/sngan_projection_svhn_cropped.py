"""SN-GAN on SVHN's cropped digits with classes: projection and conditional BatchNorm (Miyato and Koyama 2018).

Otherwise as `sngan_svhn_cropped`: the CNN of Miyato et al. 2018, hinge loss, Adam 2e-4 (0.5, 0.999).

Paper: Miyato and Koyama 2018, cGANs with projection discriminator.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.class_conditional(experiment("sngan_svhn_cropped"))
