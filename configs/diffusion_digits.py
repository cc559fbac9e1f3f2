"""Diffusion model (Karras et al. 2022) on scikit-learn's digits at 16x16, with a small U-Net.

The process is the paper's. The U-Net has 16 and 32 channels, one block at each resolution and attention at 8x8.

Paper: Karras, Aittala, Aila and Laine 2022, Elucidating the design space of diffusion-based generative models.
Published: The paper gives no number for this data set.
Reached: not trained at full length. fd_efficientnet_lite0 5.63 +- 0.12, precision 0.625, recall 0.861 after
  2,360 steps, 2,365 s on a busy machine (commit cff8bc1).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.digits(experiment("diffusion_mnist"))
    config.data.resize = "bilinear"  # as dcgan_digits
    config.model.update({"width": 16, "channel_multipliers": (1, 2), "attention_sides": (8,), "patch": 1})
    config.optimizers.denoiser.warmup_steps = 0
    return presets.length(config, steps=3_000)
