"""GAN (Goodfellow et al. 2014) on a grid of 25 Gaussians (Srivastava et al. 2017, VEEGAN), which it covers badly.

Networks and optimiser as in gan_ring (Metz et al. 2017, appendix A).

Paper: Srivastava et al. 2017, VEEGAN: reducing mode collapse in GANs using implicit variational learning.
Published: 3.3 of 25 modes, 0.5% of high quality, for their GAN (table 1).
Reached: 17, 19, 21, 19, 18 of 25 modes for five seeds, 1.7 +- 0.1% of high quality, after 8,000 steps, seconds not
  noted (commit 855e161).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.grid(experiment("gan_ring"))
