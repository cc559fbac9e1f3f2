"""SN-GAN with classes (Miyato and Koyama 2018; projection discriminator, CNN) on the digits at 16x16: minutes."""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.labels = True
    config.model.name = "sngan"
    config.model.architecture = "cnn"
    config.model.spectral_norm = True
    config.model.latent_dim = 32
    config.recipe.loss = "hinge"
    config.model.conditional = True
    config.model.width = 16
    config.steps = 4_500
    config.steps_per_dispatch = 20
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
