"""R3GAN (Huang et al. 2024) on CIFAR-10 with classes, to the paper's constants: 250M images in batches of 512.

A loss of pairs with R1 and R2, and ResNets of grouped convolutions without normalisation. Over the first 20M images
the learning rate, beta2, gamma, the augmentation and the average's half-life move to their last values. All
resolutions but 4x4 compute in bfloat16.

Paper: Huang, Gokaslan, Kuleshov and Tompkin 2024, A modern GAN baseline (R3GAN).
Published: FID 1.96 with networks of 20.78M and 21.28M parameters.
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.class_conditional(presets.cifar10(default.get_config()))
    config.recipe.name, config.model.name, config.recipe.loss = "r3gan", "r3gan", "relativistic"
    config.model.update({"latent_dim": 64, "width": 768, "channel_multipliers": (1,) * 4, "bfloat16_resolutions": 3})
    config.recipe.update({"r1_gamma": 0.05, "final_r1_gamma": 0.005, "final_augment_p": 0.55, "ema_kimg": 5_000.0})
    config.batch_size = 512
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"b1": 0.0, "b2": 0.9})
    config.evaluation.metrics = ("fid", "kid", "precision", "recall")
    return presets.length(config, steps=488_280, every=5_000)  # 250M images
