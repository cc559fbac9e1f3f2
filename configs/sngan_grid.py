"""SN-GAN (Miyato et al. 2018; hinge loss, spectral normalisation) on a grid of 25 Gaussians (Srivastava et al. 2017).

Unlike on the ring one critic update a step and a slow second moment collapse: three updates, Adam (0.5, 0.9), and
learning rates of 4e-3 and 2e-3, all by trying.
"""

from configs import sngan_ring


def get_config():
    config = sngan_ring.get_config()
    config.data.name = "gaussian_grid"
    config.model.data_scale = 0.3
    config.recipe.n_critic = 3
    config.recipe.share_fakes = False
    config.optimizers.generator.update({"learning_rate": 4e-3, "b2": 0.9})
    config.optimizers.discriminator.update({"learning_rate": 2e-3, "b2": 0.9})
    config.steps = 8_000
    return config
