"""SN-GAN (Miyato et al. 2018) on chest X-rays at 64x64 (Kaggle's Radiography database, Rahman et al. 2021).

The CNN of table 3 with one more halving, at half its width. Hinge loss, Adam 2e-4 (0.5, 0.999), one critic update a
step, as in `sngan_mnist`. Set data.dir to the folder or zip. For class folders of other X-rays add
--config.data.name=folder.

Paper: Miyato et al. 2018, Spectral normalization for generative adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length. Width 16, batch 32: fd_efficientnet_lite0 199.5 +- 0.4, KID 0.368 after 2,400
  steps, 3,780 s on a busy machine (commit a0f4fcc).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.covid_xray(experiment("sngan_mnist"))
    return presets.length(config, steps=20_000, every=1_000)
