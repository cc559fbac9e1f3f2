"""Residual VAE on Fashion-MNIST (Xiao et al. 2017), all 256 gray levels, as `residual_vae_mnist`.

Discretised logistic likelihood, 0.1 nats of KL free for each latent (both Kingma et al. 2016), Adam 1e-3.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("residual_vae_mnist")
    config.data.name = "fashion_mnist"
    return config
