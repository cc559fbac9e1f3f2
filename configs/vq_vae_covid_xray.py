"""VQ-VAE (van den Oord et al. 2017) on chest X-rays at 64x64 (Kaggle's Radiography database, Rahman et al. 2021).

8x8 codes out of 256 and a prior over them; commitment 0.25, decay 0.99, two residual blocks (sections 3.2, 4 and A.1),
narrower networks. Set data.dir to the folder or zip; for class folders of other X-rays add --config.data.name=folder.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "covid_radiography"
    config.data.image_size = 64
    config.recipe.name = config.model.name = "vq_vae"
    config.recipe.likelihood = "discretised_logistic"
    config.model.width = 64
    config.model.downsamplings = 3
    config.model.num_codes = 256
    config.model.batch_norm = False
    config.steps = 20_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.evaluation.metrics = ("bits_per_dim", "psnr", "ssim", "kid", "fd_efficientnet_lite0")
    config.evaluation.num_samples = 2_115  # as many as there are test images
    config.evaluation.allow_few_samples = True  # smaller sets of X-rays: marked in the output
    return config
