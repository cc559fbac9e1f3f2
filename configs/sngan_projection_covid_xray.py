"""SN-GAN on COVID-19 chest X-rays with the finding as class: projection and conditional BatchNorm, 64x64.

Miyato and Koyama 2018; otherwise as `sngan_covid_xray`, on Kaggle's Radiography database (Rahman et al. 2021).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("sngan_covid_xray")
    config.data.labels = True
    config.model.conditional = True
    return config
