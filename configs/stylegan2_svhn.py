"""StyleGAN2 (Karras et al. 2020) on SVHN's cropped digits at 32x32: the `cifar` settings (see `stylegan2_cifar`).

R1 gamma 0.01, batch 64, rate 0.0025; no mirrored images: these are digits.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("stylegan2_cifar")
    config.data.name = "svhn_cropped"
    config.steps = 390_620  # 25,000 kimg
    config.evaluation.num_samples = 10_000
    return config
