"""LSGAN (Mao et al. 2017, equation 9: targets 0 and 1) on Fashion-MNIST (Xiao et al. 2017), as `lsgan_mnist`.

DCGAN's networks, Adam 2e-4 (0.5, 0.999), batch 64, 10 epochs.

Paper: Mao et al. 2017, Least squares generative adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.fashion_mnist(experiment("lsgan_mnist"))
