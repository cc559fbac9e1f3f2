"""Tabular VAE (TVAE, Xu et al. 2019) with the diagnosis as a condition on Breast Cancer Wisconsin (Diagnostic).

TVAE's two layers of 128 and Adam 1e-3. Eight latents (TVAE: 128) and 2,000 steps, chosen on the splits 10, 11 and 12:
with more of either the rows lay too near to training rows. Columns are normal scores within each class.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("_breast_cancer")
    config.data.normalization = "class_quantile"
    config.recipe.name = "vae"
    config.recipe.likelihood = "tabular"
    config.model.name = "tabular_vae"
    config.model.width = 128
    config.model.hidden_layers = 2
    config.model.latent_dim = 8
    config.steps = 2_000
    config.steps_per_dispatch = 100
    return config
