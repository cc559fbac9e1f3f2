"""R3GAN (Huang et al. 2024) small enough for two CPU cores: MNIST at 28x28, without classes.

Sizes, rates and gamma as `r3gan_tiny`, with a burn-in of 128,000 images.

Paper: Huang, Gokaslan, Kuleshov and Tompkin 2024, A modern GAN baseline (R3GAN).
Published: The paper has no network of this size, and no number for this data set.
Reached: not trained at full length. FID 242.2 +- 1.0 of 2,048 samples after 180 steps, 180 s on one core
  (commit bc8319e).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.mnist(experiment("r3gan_tiny"))
    config.recipe.burn_in_kimg = 128.0
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
