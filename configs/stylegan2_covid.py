"""StyleGAN2 with ADA (Karras et al. 2020, Training GANs with limited data) on chest X-rays at 64x64.

A few thousand images: what adaptive augmentation was made for. The paper's general settings at 64x64: R1 gamma
0.0002 * 64^2 / batch, rate 0.0025, two mapping layers for so few images, half the channels; pipeline bgc, target 0.6.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("stylegan2_ada_cifar")
    config.data.name = "covid_radiography"
    config.data.image_size = 64
    config.data.channels = 1
    config.model.discriminator_architecture = "resnet"
    config.model.channel_base = 16_384
    config.model.stddev_group = 4
    config.batch_size = 32
    config.recipe.r1_gamma = 0.0256
    config.recipe.ema_kimg = 10.0
    config.steps = 100_000  # 3,200 kimg
    config.evaluation.metrics = ("kid", "fd_efficientnet_lite0")
    config.evaluation.num_samples = 10_000
    config.evaluation.allow_few_samples = True  # smaller sets of X-rays: marked in the output
    return config
