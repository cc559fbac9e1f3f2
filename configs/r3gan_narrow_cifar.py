"""R3GAN (Huang et al. 2024) on CIFAR-10 in a size that two cores can train, without classes and augmentation.

Sizes, rates and gamma as `r3gan_tiny`, with one resolution more and 512,000 images.

Paper: Huang, Gokaslan, Kuleshov and Tompkin 2024, A modern GAN baseline (R3GAN).
Published: The paper has no network of this size. FID 1.96 with networks of 20.78M and 21.28M parameters.
Reached: not trained at full length. In study_cifar: FID 260.9 +- 0.7 of 2,048 samples after 285 steps, 420 s on one
  core (commit 4a27867).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.cifar10(experiment("r3gan_tiny"))
    config.model.channel_multipliers = (1, 2, 2, 2)
    return presets.length(config, steps=8_000)
