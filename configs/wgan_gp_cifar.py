"""WGAN-GP on CIFAR-10 with its ResNet (Gulrajani et al. 2017, appendix C and the authors' gan_cifar_resnet.py).

128 channels in both networks, lambda 10, 5 critic updates a step, twice the batch of 64 for the generator. Adam 2e-4
(0, 0.9) falls linearly to 0 in 100,000 steps.

Paper: Gulrajani et al. 2017, Improved training of Wasserstein GANs.
Published: Inception Score 7.86 +- 0.07 (table 3). FID 22.29 in Mimicry, 16.95 in pytorch-gan-collections.
Reached: not trained at full length. Width 16, one critic update a step: fd_efficientnet_lite0 131.6 +- 0.3, KID 0.1346
  after 3,000 steps, 1,225 s on a busy machine (commit 6bd453c).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config())
    config.model.update({"name": "sngan", "architecture": "resnet"})
    config.model.latent_dim = 128
    config.model.width = 128
    config.recipe.loss = "wasserstein"
    config.recipe.penalty = "wgan_gp"
    config.recipe.penalty_weight = 10.0
    config.recipe.n_critic = 5
    config.recipe.generator_batch = 2
    config.recipe.share_fakes = False
    config.recipe.dequantize = True
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"b1": 0.0, "b2": 0.9, "schedule": "linear"})
    return presets.length(config, steps=100_000, every=1_000)
