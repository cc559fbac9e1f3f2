"""StyleGAN2 (Karras et al. 2020) on Fashion-MNIST (Xiao et al. 2017) at 32x32, as `stylegan2_mnist`.

Mirrored images count as images: a shoe may point either way.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.fashion_mnist(experiment("stylegan2_tiny"), size=32, flip=True)
