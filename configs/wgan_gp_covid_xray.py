"""WGAN-GP (Gulrajani et al. 2017) on chest X-rays at 64x64 (Kaggle's Radiography database, Rahman et al. 2021).

The ResNet and settings of the authors' gan_64x64.py at half its width, with layer normalisation in the critic.
Algorithm 1 as in `wgan_gp_mnist`: lambda 10, 5 critic updates a step, Adam 1e-4 (0, 0.9), batch 64, 128 latents. Set
data.dir to the folder or zip. For class folders of other X-rays add --config.data.name=folder.

Paper: Gulrajani et al. 2017, Improved training of Wasserstein GANs.
Published: The paper gives no number for this data set.
Reached: not trained at full length. In study_covid at 32x32, width 8, one critic update a step: fd_efficientnet_lite0
  191 +- 24 after some 790 steps, 150 s (commit ca14554).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.covid_xray(experiment("wgan_gp_mnist"))
    config.model.architecture = "resnet"
    config.model.layer_norm = True
    return presets.length(config, steps=20_000, every=1_000)
