"""Diffusion model on CIFAR-10 in a size that two cores can train: 1.3M parameters and 18 steps of Heun.

It is `diffusion_cifar` with a quarter of the width, one block at each resolution and a batch of 64.

Paper: Karras, Aittala, Aila and Laine 2022, Elucidating the design space of diffusion-based generative models.
Published: FID 1.97 with a network of 55.7M parameters after 200M images (table 2).
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("diffusion_cifar")
    config.recipe.ema_decay = 0.999
    config.model.update({"width": 32, "channel_multipliers": (1, 2, 2), "residual_blocks": 1, "dropout": 0.0})
    config.batch_size = 64
    config.optimizers.denoiser.warmup_steps = 500
    return presets.length(config, steps=40_000)
