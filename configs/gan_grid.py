"""GAN (Goodfellow et al. 2014) on a grid of 25 Gaussians (Srivastava et al. 2017, VEEGAN), which it covers badly.

Networks and optimiser as in gan_ring (Metz et al. 2017, appendix A).
"""

from configs import gan_ring


def get_config():
    config = gan_ring.get_config()
    config.data.name = "gaussian_grid"
    return config
