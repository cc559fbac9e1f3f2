"""Residual VAE on scikit-learn's digits at 16x16: a small one of the networks of van den Oord et al. 2017.

Discretised logistic likelihood (Kingma et al. 2016), 0.1 nats of KL free for each latent (same paper): as
`residual_vae_mnist`, half as wide.

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.digits(experiment("residual_vae_mnist"))
    config.model.width = 32
    config.model.latent_dim = 16
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "fd_efficientnet_lite0")
    return presets.length(config, steps=3_000, per_dispatch=10)
