"""DCGAN (Radford et al. 2016) on COVID-19 chest X-rays (Kaggle's Radiography database, Rahman et al. 2021), 64x64.

Adam 2e-4, beta1 0.5, weights from N(0, 0.02): the paper's section 4, at the size of its networks, a quarter as wide.
Set data.dir to the folder or zip. For class folders of other X-rays add --config.data.name=folder.

Paper: Radford, Metz and Chintala 2016, Unsupervised representation learning with deep convolutional generative
  adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length. fd_efficientnet_lite0 237.6 +- 0.4, KID 0.447 after 1,000 steps, 976 s on a busy
  machine (commit b78c5a8).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.covid_xray(default.get_config())
    config.model.width = 32
    # Without augmentation the discriminator knows a thousand images by heart, and the samples become noise.
    config.recipe.diff_augment = "translation,cutout"
    config.recipe.ema_decay = 0.998
    return presets.length(config, steps=20_000, every=1_000)
