"""Tabular GAN (Goodfellow et al. 2014) with the diagnosis as a condition on Breast Cancer Wisconsin (Diagnostic).

The generator is CTGAN's (Xu et al. 2019), narrower; columns are normal scores within each class. 5,000 steps, chosen
on the splits 10 and 11.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("_breast_cancer")
    config.data.normalization = "class_quantile"
    config.model.name = "tabular_gan"
    config.model.width = 128
    config.model.hidden_layers = 2
    config.model.latent_dim = 64
    config.model.dropout = 0.25
    config.steps = 5_000
    config.steps_per_dispatch = 100
    return config
