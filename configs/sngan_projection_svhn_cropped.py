"""SN-GAN on SVHN's cropped digits with classes: projection and conditional BatchNorm (Miyato and Koyama 2018).

Otherwise as `sngan_svhn_cropped`: the CNN of Miyato et al. 2018, hinge loss, Adam 2e-4 (0.5, 0.999).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("sngan_svhn_cropped")
    config.data.labels = True
    config.model.conditional = True
    return config
