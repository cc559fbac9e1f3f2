"""DCGAN (Radford et al. 2016) on COVID-19 chest X-rays (Kaggle's Radiography database, Rahman et al. 2021), 64x64.

Adam 2e-4, beta1 0.5, weights from N(0, 0.02): the paper's section 4, at the size of its networks, a quarter as wide.
DiffAugment (Zhao et al. 2020) is not in the paper. Set data.dir to the folder or zip. For class folders of other X-rays
add --config.data.name=folder.

Paper: Radford, Metz and Chintala 2016, Unsupervised representation learning with deep convolutional generative
  adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length. Width 16, 843 X-rays: FID 234.8 +- 0.5 to 281 test images after 1,475 steps, 450 s
  on one core (commit 50b4170). 843 real X-rays have 45.7.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.covid_xray(default.get_config())
    config.model.width = 32
    # Without augmentation the discriminator wins within a thousand steps, and the samples become noise.
    config.recipe.diff_augment = "translation,cutout"
    config.recipe.ema_decay = 0.998
    return presets.length(config, steps=20_000, every=1_000)
