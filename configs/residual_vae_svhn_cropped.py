"""Residual VAE on SVHN's cropped digits: the networks of van den Oord et al. 2017 (section 4.1), half as wide.

Mixture of discretised logistics (Salimans et al. 2017), Adam 2e-4, batch 128: as `residual_vae_cifar`, for a fifth of
its steps.

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.svhn_cropped(experiment("residual_vae_cifar"))
    config.model.width = 128
    config.steps = 50_000
    return config
