"""StyleGAN2 on CIFAR-10: the `cifar` settings of Karras et al. 2020 (Training GANs with limited data), without ADA.

Batch 64, rate 0.0025, R1 gamma 0.01, two mapping layers, 512 channels at every resolution (table 10). No path length
regularisation, no style mixing. 100,000 kimg.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: FID 8.32.
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config(), flip=False)
    config.recipe.name = config.model.name = "stylegan2"
    config.model.architecture = "skip"
    config.model.discriminator_architecture = "orig"
    config.model.latent_dim = 512
    config.model.mapping_layers = 2
    config.model.conv_clamp = 256.0
    config.model.stddev_group = 32
    config.recipe.r1_gamma = 0.01
    config.recipe.path_length_weight = 0.0
    config.recipe.style_mixing = 0.0
    config.recipe.ema_kimg = 500.0
    config.recipe.ema_ramp = 0.05
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 0.0025, "b1": 0.0, "b2": 0.99})
    config.evaluation.num_samples = 50_000
    return presets.length(config, steps=1_562_500, every=5_000)  # 100,000 kimg
