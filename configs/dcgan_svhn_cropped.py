"""DCGAN (Radford et al. 2016) on SVHN's cropped digits at 32x32 (Netzer et al. 2011), 50 epochs.

Adam 2e-4, beta1 0.5, batch 128, weights from N(0, 0.02), 100 latents: the paper's section 4. No mirrored images: these
are digits.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "svhn_cropped"
    config.data.image_size = 32
    config.data.channels = 3
    config.model.width = 64
    config.batch_size = 128
    config.steps = 28_000  # 49 epochs of 73,257
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.recipe.ema_decay = 0.9999
    return config
