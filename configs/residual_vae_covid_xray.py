"""Residual VAE on COVID-19 chest X-rays (Kaggle's Radiography database, Rahman et al. 2021) at 64x64.

The networks of van den Oord et al. 2017, half as wide, with 8x8 features. All 256 gray levels by a discretised
logistic, 0.1 nats of KL free for each latent (both Kingma et al. 2016). Set data.dir to the folder or zip. For class
folders of other X-rays add --config.data.name=folder.

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_covid_xray")
    config.model.name = "residual_vae"
    config.model.width = 64
    config.model.downsamplings = 3
    config.recipe.likelihood = "discretised_logistic"
    config.recipe.free_bits = 0.1
    config.evaluation.metrics = ("bits_per_dim", *config.evaluation.metrics)
    return config
