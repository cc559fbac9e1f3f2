"""VQ-VAE (van den Oord et al. 2017) on chest X-rays at 64x64 (Kaggle's Radiography database, Rahman et al. 2021).

8x8 codes out of 256 and a prior over them. Commitment 0.25, decay 0.99, two residual blocks (sections 3.2, 4 and A.1),
narrower networks. Set data.dir to the folder or zip. For class folders of other X-rays add --config.data.name=folder.

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: The paper gives no number for this data set.
Reached: not trained at full length. In study_covid at 32x32, width 32: fd_efficientnet_lite0 89.1 +- 0.1 after some
  1,050 steps, 150 s (commit ca14554).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.covid_xray(default.get_config())
    config.recipe.name = config.model.name = "vq_vae"
    config.recipe.likelihood = "discretised_logistic"
    config.model.width = 64
    config.model.downsamplings = 3
    config.model.num_codes = 256
    config.model.batch_norm = False
    config.evaluation.metrics = ("bits_per_dim", "psnr", "ssim", *config.evaluation.metrics)
    return presets.length(config, steps=20_000, every=1_000)
