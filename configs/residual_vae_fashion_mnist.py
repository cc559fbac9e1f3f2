"""Residual VAE on Fashion-MNIST (Xiao et al. 2017), all 256 gray levels, as `residual_vae_mnist`.

Discretised logistic likelihood, 0.1 nats of KL free for each latent (both Kingma et al. 2016), Adam 1e-3.

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.fashion_mnist(experiment("residual_vae_mnist"))
