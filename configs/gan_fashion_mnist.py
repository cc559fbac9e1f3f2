"""GAN of dense layers (Goodfellow et al. 2014) on Fashion-MNIST (Xiao et al. 2017), as `gan_mnist`.

PyTorch-GAN's networks, batch 64, Adam 2e-4 (0.5, 0.999), latents of 100, 50 epochs.

Paper: Goodfellow et al. 2014, Generative adversarial nets.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.fashion_mnist(experiment("gan_mnist"))
