"""LSGAN (Mao et al. 2017, equation 9: targets 0 and 1) on the digits at 16x16, with the networks of a DCGAN.

All else is as in the defaults: no augmentation and no bias in the generator's last layer, unlike dcgan_digits.

Paper: Mao et al. 2017, Least squares generative adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length. In study_digits at width 32, 1,500 steps, three seeds: fd_efficientnet_lite0 43.1
  +- 3.3, 38 s a seed (commit 6bd453c).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.digits(default.get_config())
    config.model.width = 64
    config.model.latent_dim = 32
    config.recipe.loss = "least_squares"
    return presets.length(config, steps=4_500)
