"""Diffusion model (Karras et al. 2022) on scikit-learn's digits at 16x16, with a small U-Net.

The process is the paper's. The U-Net has 16 and 32 channels, one block at each resolution and attention at 8x8.

Paper: Karras, Aittala, Aila and Laine 2022, Elucidating the design space of diffusion-based generative models.
Published: The paper gives no number for this data set.
Reached: not trained at full length. fd_efficientnet_lite0 5.63 +- 0.12, precision 0.625, recall 0.861 after
  2,360 steps, 2,365 s on a busy machine (commit cff8bc1).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.digits(default.get_config())
    config.data.resize = "bilinear"  # as dcgan_digits
    config.recipe.name = "diffusion"
    config.model.name = "unet"
    config.model.width = 16
    config.model.channel_multipliers = (1, 2)
    config.model.residual_blocks = 1
    config.model.attention_sides = (8,)
    config.model.dropout = 0.0
    config.evaluation.metrics = ("fd_efficientnet_lite0", "precision", "recall")
    return presets.length(config, steps=3_000, every=500)
