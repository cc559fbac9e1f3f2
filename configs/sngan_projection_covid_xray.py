"""SN-GAN on COVID-19 chest X-rays with the finding as class: projection and conditional BatchNorm, 64x64.

Miyato and Koyama 2018. Otherwise as `sngan_covid_xray`, on Kaggle's Radiography database (Rahman et al. 2021).

Paper: Miyato and Koyama 2018, cGANs with projection discriminator.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.class_conditional(experiment("sngan_covid_xray"))
