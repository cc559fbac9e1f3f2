"""R3GAN (Huang et al. 2024) on Stacked MNIST at 28x28, with 1,000 modes, in the small networks of `r3gan_tiny`.

The paper does not give its networks for these data. The sizes, the rates and the length are ours.

Paper: Huang, Gokaslan, Kuleshov and Tompkin 2024, A modern GAN baseline (R3GAN).
Published: All 1,000 modes, KL divergence 0.0781, for this loss with R1 and R2.
Reached: not trained at full length. 720 modes of 26,000 samples, KL 1.69, after 380 steps, 489 s on
  one core (commit 41b0c2a).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.stacked_mnist(experiment("r3gan_tiny"))
    config.recipe.burn_in_kimg = 320.0
    return presets.length(config, steps=10_000)  # 640,000 images
