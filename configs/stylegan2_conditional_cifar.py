"""StyleGAN2 on CIFAR-10 with classes (Karras et al. 2020, Training GANs with limited data).

The mapping network sees an embedding of the class, the discriminator projects on it. Otherwise as `stylegan2_cifar`.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: FID 6.96.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.class_conditional(experiment("stylegan2_cifar"))
