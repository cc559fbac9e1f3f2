"""VQ-VAE (van den Oord et al. 2017) on SVHN's cropped digits: 8x8 codes out of 512, as `vq_vae_cifar`.

Half its width and a fifth of its 250,000 steps.

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.svhn_cropped(experiment("vq_vae_cifar"))
    config.model.width = config.model.prior_width = 128
    config.steps = 50_000
    return config
