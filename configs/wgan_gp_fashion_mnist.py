"""WGAN-GP on Fashion-MNIST (Gulrajani et al. 2017): the defaults of its Algorithm 1, the CNN of Miyato et al. 2018.

lambda 10, 5 critic updates a step, Adam 1e-4 (0, 0.9), batch 64, no normalisation in the critic: as `wgan_gp_mnist`.

Paper: Gulrajani et al. 2017, Improved training of Wasserstein GANs.
Published: The paper gives no number for this data set.
Reached: not trained at full length. Width 16: FID 186.0 +- 0.7 of 2,048 samples after 320 steps, 300 s on one core
  (commit cb9627a).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.fashion_mnist(experiment("wgan_gp_mnist"))
