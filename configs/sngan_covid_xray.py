"""SN-GAN (Miyato et al. 2018) on chest X-rays at 64x64 (Kaggle's Radiography database, Rahman et al. 2021).

The CNN of table 3 with one more halving, at half its width; hinge loss, Adam 2e-4 (0.5, 0.999), one critic update a
step. Set data.dir to the folder or zip; for class folders of other X-rays add --config.data.name=folder.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "covid_radiography"
    config.data.image_size = 64
    config.model.name = "sngan"
    config.model.architecture = "cnn"
    config.model.spectral_norm = True
    config.model.latent_dim = 128
    config.recipe.loss = "hinge"
    config.model.width = 32
    config.steps = 20_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.evaluation.metrics = ("kid", "fd_efficientnet_lite0")
    config.evaluation.num_samples = 2_115  # as many as there are test images
    config.evaluation.allow_few_samples = True  # smaller sets of X-rays: marked in the output
    return config
