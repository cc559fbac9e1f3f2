"""StyleGAN2 with ADA on CIFAR-10 with classes (Karras et al. 2020, Training GANs with limited data): 2.42 FID there.

Otherwise as `stylegan2_ada_cifar`.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("stylegan2_ada_cifar")
    config.data.labels = True
    config.model.conditional = True
    return config
