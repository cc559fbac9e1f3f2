"""DCGAN (Radford et al. 2016) on SVHN's cropped digits at 32x32 (Netzer et al. 2011), 50 epochs.

Adam 2e-4, beta1 0.5, batch 128, weights from N(0, 0.02), 100 latents: the paper's section 4.

Paper: Radford, Metz and Chintala 2016, Unsupervised representation learning with deep convolutional generative
  adversarial networks.
Published: No number of samples' quality on SVHN was at hand.
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.svhn_cropped(default.get_config())
    config.model.width = 64
    config.batch_size = 128
    config.recipe.ema_decay = 0.9999
    return presets.length(config, steps=28_000, every=1_000)  # 49 epochs of 73,257
