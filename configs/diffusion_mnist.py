"""Diffusion model (Karras et al. 2022) on MNIST at 28x28, with a small U-Net.

The process is the paper's. The U-Net has 32 and 64 channels, one block at each resolution and attention at 7x7.

Paper: Karras, Aittala, Aila and Laine 2022, Elucidating the design space of diffusion-based generative models.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.recipe.name = "diffusion"
    config.model.name = "unet"
    config.model.width = 32
    config.model.channel_multipliers = (1, 2, 2)
    config.model.residual_blocks = 1
    config.model.attention_sides = (7,)
    config.model.dropout = 0.0
    config.evaluation.metrics = ("fd_efficientnet_lite0", "kid", "precision", "recall")
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
