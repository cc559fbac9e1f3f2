"""IWAE (Burda et al. 2016) with K = 5 on dynamically binarised MNIST, 28x28: 10 epochs.

Batch 20, Adam 1e-3 (0.9, 0.999) with eps 1e-4, 50 latents, Bernoulli likelihood: their section 5. Their networks are
MLPs of 200 units, trained for 3,280 epochs with a falling rate (85.54 nats at K = 5,000); this is convolutional.
"""

from configs import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.recipe.name = "vae"
    config.model.name = "conv_vae"
    config.recipe.likelihood = "bernoulli"
    config.recipe.iwae_samples = 5
    config.model.width = 32
    config.model.latent_dim = 50
    config.model.batch_norm = False
    config.optimizers.vae.eps = 1e-4
    config.batch_size = 20
    config.steps = 30_000  # 10 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "ssim", "fd_efficientnet_lite0")
    config.evaluation.likelihood_samples = 100
    return config
