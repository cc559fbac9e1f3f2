"""DRAGAN on MNIST (Kodali et al. 2017): lambda 10 around the data, the CNN of Miyato et al. 2018 without its norm.

Adam 2e-4 (0.5, 0.999) and batch 64 as in PyTorch-GAN. The critic has no BatchNorm, since it penalises single images.

Paper: Kodali et al. 2017, On convergence and stability of GANs.
Published: No number for this data set was at hand.
Reached: not trained at full length. Width 16: fd_efficientnet_lite0 33.20 +- 0.33, KID 0.0385 after 2,600 steps, 1,030
  s on a busy machine (commit 7c49ca3).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.model.update({"name": "sngan", "architecture": "cnn"})
    config.model.width = 32
    config.recipe.penalty = "dragan"
    config.recipe.penalty_weight = 10.0
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
