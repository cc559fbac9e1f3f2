"""DCGAN (Radford et al. 2016) on scikit-learn's digits, enlarged from 8x8 to 16x16: a minute or two, no download.

Paper: Radford, Metz and Chintala 2016, Unsupervised representation learning with deep convolutional generative
  adversarial networks.
Published: The paper gives no number for this data set.
Reached: The picture docs/images/dcgan_digits.png after 4,500 steps, three to four minutes with compilation and
  evaluation (README, no number and no commit noted).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.digits(default.get_config())
    config.model.width = 64
    config.model.latent_dim = 32
    return presets.length(config, steps=4_500)
