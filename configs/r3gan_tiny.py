"""R3GAN (Huang et al. 2024) small enough for two CPU cores: scikit-learn's digits at 16x16, without classes.

The loss, the penalties and the kind of network are those of `r3gan_cifar`. The sizes, the rates, gamma and the short
burn-in are ours, for a short run. There is no augmentation.

Paper: Huang, Gokaslan, Kuleshov and Tompkin 2024, A modern GAN baseline (R3GAN).
Published: The paper has no network of this size.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.digits(experiment("r3gan_cifar"))
    config.data.labels = config.model.conditional = False
    small = {"width": 24, "channel_multipliers": (1, 2, 2), "residual_blocks": 1, "bfloat16_resolutions": 0}
    config.model.update(small)
    short = {"burn_in_kimg": 64.0, "ema_kimg": 5.0, "final_learning_rate": 1e-4}
    config.recipe.update({**short, "r1_gamma": 1.0, "final_r1_gamma": 0.1, "final_augment_p": 0.0})
    config.batch_size = 64
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.learning_rate = 5e-4
    config.evaluation.metrics = ("fid", "kid", "precision", "recall", "duplicates", "memorisation")
    return presets.length(config, steps=2_000)  # 128,000 images
