"""WGAN-GP (Gulrajani et al. 2017, Algorithm 1) with dense layers, those of PyTorch-GAN, on the digits at 16x16.

lambda 10, 5 critic updates a step, Adam 2e-4 (0.5, 0.999) as in PyTorch-GAN. No BatchNorm in any network.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.model.name = "mlp_gan"
    config.model.architecture = "pytorch_gan"
    config.model.latent_dim = 32
    config.recipe.loss = "wasserstein"
    config.recipe.penalty = "wgan_gp"
    config.recipe.penalty_weight = 10.0
    config.recipe.n_critic = 5
    config.recipe.share_fakes = False
    config.model.width = 32
    config.model.batch_norm = False
    config.steps = 9_000
    config.steps_per_dispatch = 50
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
