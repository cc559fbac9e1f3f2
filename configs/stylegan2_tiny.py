"""StyleGAN2 (Karras et al. 2020) small enough to train on two CPU cores: 64 channels, CIFAR-10.

Networks, losses and regularisation of the `cifar` settings (see `stylegan2_cifar`) with an eighth of the width, and a
shorter moving average for a shorter run.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: The paper has no network of this size.
Reached: not trained at full length. fd_efficientnet_lite0 92.6 of 2,048 samples after 2,400 steps, 14 minutes on one
  core (commit 3331d89).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("stylegan2_cifar")
    config.model.latent_dim = 128
    config.model.channel_base = 1_024
    config.model.channel_max = 64
    config.model.stddev_group = 8
    config.batch_size = 32
    config.recipe.ema_kimg = 10.0
    config.evaluation.num_samples = 10_000
    return presets.length(config, steps=10_000)  # 320 kimg
