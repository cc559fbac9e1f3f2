"""DCGAN (Radford et al. 2016) on scikit-learn's digits, enlarged from 8x8 to 16x16: a minute or two, no download."""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.model.width = 64
    config.model.latent_dim = 32
    config.steps = 4_500
    config.steps_per_dispatch = 20
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
