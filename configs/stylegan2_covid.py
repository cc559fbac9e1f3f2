"""StyleGAN2 with ADA (Karras et al. 2020, Training GANs with limited data) on chest X-rays at 64x64.

Adaptive augmentation was made for a few thousand images. The paper's general settings at 64x64: R1 gamma 0.0002 *
64^2 / batch, rate 0.0025, two mapping layers for so few images, half the channels. Pipeline bgc, target 0.6. Set
data.dir to the folder or zip. For class folders of other X-rays add --config.data.name=folder.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: The paper gives no number for this data set.
Reached: not trained at full length. In study_covid at 32x32, with 64 channels: fd_efficientnet_lite0 123.8 +- 0.8 after
  some 240 steps, 150 s (commit ca14554).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.covid_xray(experiment("stylegan2_ada_cifar"))
    config.model.discriminator_architecture = "resnet"
    config.model.channel_base = 16_384
    config.model.stddev_group = 4
    config.batch_size = 32
    config.recipe.r1_gamma = 0.0256
    config.recipe.ema_kimg = 10.0
    config.steps = 100_000  # 3,200 kimg
    config.evaluation.num_samples = 10_000
    return config
