"""LSGAN on CIFAR-10 (Mao et al. 2017, equation 9: targets 0 and 1) with DCGAN's networks, trained as dcgan_cifar.

Batch 128, Adam 2e-4 (0.5, 0.999), 100 latents, mirrored images. The paper has 1e-3 for larger scenes.

Paper: Mao et al. 2017, Least squares generative adversarial networks.
Published: No number for this data set was at hand.
Reached: not trained at full length. In study_cifar, width 16: FID 114.7 +- 0.5 of 2,048 samples after 5,000 steps,
  420 s on one core (commit 4a27867).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config())
    config.recipe.loss = "least_squares"
    config.batch_size = 128
    config.recipe.ema_decay = 0.9999
    return presets.length(config, steps=50_000, every=1_000)
