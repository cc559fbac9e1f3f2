"""DCGAN on CIFAR-10: the 32x32 network of Radford et al. 2016, trained as pytorch-gan-collections reports it.

Batch 128, 100,000 steps, Adam 2e-4 (0.5, 0.9), latents of 100, mirrored images, linear decay of the learning rate.

Paper: Radford, Metz and Chintala 2016, Unsupervised representation learning with deep convolutional generative
  adversarial networks.
Published: FID 42.72, Inception Score 6.01 in pytorch-gan-collections (50,000 samples against the training set).
Reached: not trained at full length. Width 32, batch 64 (dcgan_narrow_cifar): FID 45.8 +- 0.4 after 59,820 steps
  (commit 8034459). The same with JPEG: fd_efficientnet_lite0 76.70 +- 0.25 after 8,000 steps, 1,592 s (commit 7185432).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config())
    config.model.width = 64
    config.batch_size = 128
    config.recipe.ema_decay = 0.9999
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"b2": 0.9, "schedule": "linear"})
    return presets.length(config, steps=100_000, every=1_000)
