"""StyleGAN2 config-f (Karras et al. 2020) on a folder of 256x256 images: give --config.data.dir=FOLDER.

R1 gamma 1, path length weight 2, style mixing 0.9, eight mapping layers, batch 64, rate 0.0025, half the channels. They
are the settings for 256x256 of Karras et al. 2020, Training GANs with limited data, section C. The rest is config-f.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: no number, since it depends on the images.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.image_folder(experiment("stylegan2_1024"), size=256)
    config.model.channel_base = 16_384
    config.model.stddev_group = 8
    config.batch_size = 64
    config.recipe.r1_gamma = 1.0
    config.recipe.ema_kimg = 20.0
    config.evaluation.num_samples = 50_000
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.learning_rate = 0.0025
    return presets.length(config, steps=390_620, every=2_000)  # 25,000 kimg
