"""DCGAN on CIFAR-10 in a size that one CPU core trains in two hours: `dcgan_cifar` at half its width, batch 64.

Learning rates are constant, so that the run can be made longer.

Paper: Radford, Metz and Chintala 2016, Unsupervised representation learning with deep convolutional generative
  adversarial networks.
Published: FID 42.72 with twice the width in pytorch-gan-collections (50,000 samples against the training set).
Reached: not trained at full length. FID 45.8 +- 0.4 of 10,000 samples after 59,820 steps, 6,000 s on one core
  (commit 8034459).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("dcgan_cifar")
    config.model.width = 32
    config.batch_size = 64
    config.recipe.ema_decay = 0.999
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.schedule = "constant"
    return presets.length(config, steps=60_000, every=1_000)  # 77 epochs
