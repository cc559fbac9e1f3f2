"""DRAGAN on CIFAR-10 (Kodali et al. 2017): lambda 10 around the data, the CNN of Miyato et al. 2018 without its norm.

Adam 2e-4 (0.5, 0.999) and batch 64 as in PyTorch-GAN. The critic has no BatchNorm, since it penalises single images.

Paper: Kodali et al. 2017, On convergence and stability of GANs.
Published: No number for this data set was at hand.
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config())
    config.model.update({"name": "sngan", "architecture": "cnn"})
    config.model.latent_dim = 128
    config.recipe.penalty = "dragan"
    config.recipe.penalty_weight = 10.0
    config.recipe.ema_decay = 0.9999
    return presets.length(config, steps=50_000, every=1_000)
