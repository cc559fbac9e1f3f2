"""SN-GAN on MNIST (Miyato et al. 2018): the CNN of table 3 at half its width, hinge loss, setting C of table 1.

Adam 2e-4 (0.5, 0.999), one critic update a step, batch 64.

Paper: Miyato et al. 2018, Spectral normalization for generative adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length. Width 16: fd_efficientnet_lite0 13.00 +- 0.10, KID 0.0140 after 6,000 steps, 1,534
  s (commit 863313a).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.model.update({"name": "sngan", "architecture": "cnn"})
    config.model.spectral_norm = True
    config.model.latent_dim = 128
    config.model.width = 32
    config.recipe.loss = "hinge"
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
