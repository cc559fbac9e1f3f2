"""SN-GAN (Miyato et al. 2018; hinge loss, spectral normalisation) on a grid of 25 Gaussians (Srivastava et al. 2017).

Settings by trying, those of sngan_ring: with one critic update a step and Adam (0.5, 0.999) it collapsed.
"""

from configs import sngan_ring


def get_config():
    config = sngan_ring.get_config()
    config.data.name = "gaussian_grid"
    config.steps = 8_000
    return config
