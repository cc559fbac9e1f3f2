"""Diffusion model (Karras et al. 2022) on CIFAR-10 with the network DDPM++, to the paper's constants: 200M images.

The network, the batch, the learning rate and its ramp over 10M images are those of table 7 and of the authors' code.
Samples take 18 steps of Heun. Left out: the augmentation whose labels the network sees. The average has a fixed decay
with the paper's half-life of 500,000 images, and so no ramp of its own.

Paper: Karras, Aittala, Aila and Laine 2022, Elucidating the design space of diffusion-based generative models.
Published: FID 1.97 without classes, with that augmentation (table 2).
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config())
    config.recipe.name, config.model.name = "diffusion", "unet"
    config.recipe.ema_decay = 0.99929  # 0.5 ** (512 / 500,000)
    config.model.update({"width": 128, "channel_multipliers": (2, 2, 2), "residual_blocks": 4, "dropout": 0.13})
    config.model.attention_sides = (16,)
    config.batch_size = 512
    config.optimizers.denoiser.warmup_steps = 19_531  # 10M images
    config.evaluation.metrics = ("fid", "kid", "precision", "recall")
    return presets.length(config, steps=390_640, every=5_000)  # 200M images
