"""StyleGAN2 on CIFAR-10 with classes (Karras et al. 2020, Training GANs with limited data): 6.96 FID there.

The mapping network sees an embedding of the class, the discriminator projects on it; otherwise as `stylegan2_cifar`.
"""

from configs import stylegan2_cifar


def get_config():
    config = stylegan2_cifar.get_config()
    config.data.labels = True
    config.model.conditional = True
    return config
