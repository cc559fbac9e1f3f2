"""StyleGAN2 with ADA on CIFAR-10 with classes (Karras et al. 2020, Training GANs with limited data).

Otherwise as `stylegan2_ada_cifar`.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: FID 2.42 (of the tuned network).
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.class_conditional(experiment("stylegan2_ada_cifar"))
