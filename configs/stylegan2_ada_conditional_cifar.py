"""StyleGAN2 with ADA on CIFAR-10 with classes (Karras et al. 2020, Training GANs with limited data): 2.42 FID there.

Otherwise as `stylegan2_ada_cifar`.
"""

from configs import stylegan2_ada_cifar


def get_config():
    config = stylegan2_ada_cifar.get_config()
    config.data.labels = True
    config.model.conditional = True
    return config
