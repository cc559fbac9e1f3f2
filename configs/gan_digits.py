"""GAN of dense layers (Goodfellow et al. 2014; networks and optimiser of PyTorch-GAN) on the digits at 16x16."""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.model.name = "mlp_gan"
    config.model.architecture = "pytorch_gan"
    config.model.width = 32
    config.model.latent_dim = 32
    config.steps = 9_000
    config.steps_per_dispatch = 50
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
