"""StyleGAN2 (Karras et al. 2020) on Stacked MNIST at 32x32, with 1,000 modes.

Networks and training are those of `stylegan2_mnist`.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: No number on Stacked MNIST was at hand.
Reached: not trained at full length. 113 modes of 26,000 samples, KL 4.45, after 1,040 steps, 483 s on
  one core (commit 41b0c2a).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.stacked_mnist(experiment("stylegan2_mnist"), size=32)
