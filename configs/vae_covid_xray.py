"""Convolutional VAE on COVID-19 chest X-rays (Kaggle's Radiography database, Rahman et al. 2021) at 64x64.

One learned sigma (Rybkin et al. 2021). Set data.dir to the folder or zip; for class folders of other X-rays add
--config.data.name=folder.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "covid_radiography"
    config.data.image_size = 64
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.model.width = 32
    config.model.latent_dim = 128
    config.model.batch_norm = False
    config.steps = 20_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.evaluation.metrics = ("psnr", "ssim", "kid", "fd_efficientnet_lite0")
    config.evaluation.num_samples = 2_115  # as many as there are test images
    config.evaluation.allow_few_samples = True  # smaller sets of X-rays: marked in the output
    return config
