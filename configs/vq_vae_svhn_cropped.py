"""VQ-VAE (van den Oord et al. 2017) on SVHN's cropped digits: 8x8 codes out of 512, as `vq_vae_cifar`.

Half its width and a fifth of its 250,000 steps; no mirrored images.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vq_vae_cifar")
    config.data.name = "svhn_cropped"
    config.data.flip = False  # these are digits
    config.model.width = config.model.prior_width = 128
    config.steps = 50_000
    return config
