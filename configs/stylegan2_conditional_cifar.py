"""StyleGAN2 on CIFAR-10 with classes (Karras et al. 2020, Training GANs with limited data): 6.96 FID there.

The mapping network sees an embedding of the class, the discriminator projects on it; otherwise as `stylegan2_cifar`.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("stylegan2_cifar")
    config.data.labels = True
    config.model.conditional = True
    return config
