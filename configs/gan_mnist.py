"""GAN of dense layers on MNIST (Goodfellow et al. 2014), with the networks and optimiser of PyTorch-GAN.

Batch 64, Adam 2e-4 (0.5, 0.999), latents of 100; 50 of its 200 epochs.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.model.name = "mlp_gan"
    config.model.architecture = "pytorch_gan"
    config.steps = 47_000  # 50 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    return config
