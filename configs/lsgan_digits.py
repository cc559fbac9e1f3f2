"""LSGAN (Mao et al. 2017, equation 9: targets 0 and 1) on the digits at 16x16, with dcgan_digits' networks."""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.model.latent_dim = 32
    config.recipe.loss = "least_squares"
    config.steps = 4_500
    config.steps_per_dispatch = 20
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
