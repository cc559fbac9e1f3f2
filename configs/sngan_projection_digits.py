"""SN-GAN with classes (Miyato and Koyama 2018, projection discriminator, CNN) on the digits at 16x16: minutes.

Otherwise as `sngan_digits`.

Paper: Miyato and Koyama 2018, cGANs with projection discriminator.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.class_conditional(experiment("sngan_digits"))
