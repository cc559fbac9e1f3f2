"""GAN (Goodfellow et al. 2014) on a grid of 25 Gaussians (Srivastava et al. 2017, VEEGAN), which it covers badly.

Networks and optimiser as in gan_ring (Metz et al. 2017, appendix A).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("gan_ring")
    config.data.name = "gaussian_grid"
    return config
