"""SN-GAN on SVHN's cropped digits (Miyato et al. 2018): the CNN of table 3, hinge loss, setting C of table 1.

Adam 2e-4 (0.5, 0.999), one critic update a step, batch 64: as `sngan_mnist`, at the paper's width.

Paper: Miyato et al. 2018, Spectral normalization for generative adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.svhn_cropped(experiment("sngan_mnist"))
    config.model.width = 64
    config.recipe.dequantize = True
    config.recipe.ema_decay = 0.9999
    return presets.length(config, steps=50_000, every=1_000)
