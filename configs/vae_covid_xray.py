"""Convolutional VAE on COVID-19 chest X-rays (Kaggle's Radiography database, Rahman et al. 2021) at 64x64.

One learned sigma (Rybkin et al. 2021). Half as wide as `vae_cifar`. Set data.dir to the folder or zip. For class
folders of other X-rays add --config.data.name=folder.

Paper: Rybkin, Daniilidis and Levine 2021, Simple and effective VAE training with calibrated decoders.
Published: The paper gives no number for this data set.
Reached: not trained at full length. fd_efficientnet_lite0 187.8 +- 0.4, KID 0.336, reconstructions of 25.0 dB and SSIM
  0.781 after 1,000 steps, 590 s on a busy machine (commit b78c5a8).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.covid_xray(experiment("vae_cifar"))
    config.model.width = 32
    config.batch_size = 64
    config.evaluation.metrics = ("psnr", "ssim", *config.evaluation.metrics)
    return presets.length(config, steps=20_000, every=1_000)
