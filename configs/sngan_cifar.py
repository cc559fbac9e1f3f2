"""SN-GAN on CIFAR-10 with its ResNet (Miyato et al. 2018, table 4, appendix B.3), hinge loss.

Generator of 256 channels, discriminator of 128, batch 64 for the discriminator and 128 for the generator. 5 critic
updates a step, Adam 2e-4 (0, 0.9) falling linearly to 0 in 50,000 steps.

Paper: Miyato et al. 2018, Spectral normalization for generative adversarial networks.
Published: FID 21.7 (table 2), 14.32 in pytorch-gan-collections, 16.77 in Mimicry, with
  `--config.recipe.generator_batch=1 --config.steps=100000`.
Reached: not trained at full length. As a CNN of width 16, one critic update a step: fd_efficientnet_lite0 108.0 +- 0.5,
  KID 0.1132 after 3,500 steps, 2,108 s on a busy machine (commit 7c49ca3).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config())
    config.model.update({"name": "sngan", "architecture": "resnet"})
    config.model.spectral_norm = True
    config.model.latent_dim = 128
    config.model.width = 256
    config.model.discriminator_width = 128
    config.recipe.loss = "hinge"
    config.recipe.n_critic = 5
    config.recipe.generator_batch = 2
    config.recipe.share_fakes = False
    config.recipe.dequantize = True
    config.recipe.ema_decay = 0.9999
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"b1": 0.0, "b2": 0.9, "schedule": "linear"})
    return presets.length(config, steps=50_000, every=1_000)
