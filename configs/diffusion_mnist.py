"""Diffusion model (Karras et al. 2022) on MNIST at 28x28, with a small U-Net.

The process is the paper's. The U-Net has 32 and 64 channels, one block at each resolution and attention at 7x7.

Paper: Karras, Aittala, Aila and Laine 2022, Elucidating the design space of diffusion-based generative models.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.mnist(experiment("diffusion_tiny"))
    config.model.attention_sides = (7,)
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
