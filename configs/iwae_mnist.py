"""IWAE (Burda et al. 2016) with K = 5 on dynamically binarised MNIST, 28x28: their networks, a part of their epochs.

Section 5: two tanh layers of 200 units, 50 latents, Bernoulli likelihood, Adam (0.9, 0.999) with eps 1e-4 and a rate
from 1e-3 down to 1e-4; 3,280 epochs in batches of 20 gave 85.54 nats at K = 5,000 (86.76 for the VAE:
`recipe.iwae_samples=1`). Here batches of 100 and a cosine down to 0.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.recipe.name = "vae"
    config.model.name = "mlp_vae"
    config.recipe.likelihood = "bernoulli"
    config.recipe.iwae_samples = 5
    config.model.width = 200
    config.model.latent_dim = 50
    config.optimizers.vae.update({"eps": 1e-4, "schedule": "cosine"})
    config.batch_size = 100
    config.steps = 60_000  # 100 epochs of 60,000
    config.steps_per_dispatch = 100
    config.sample_every = config.checkpoint_every = 2_000
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "ssim", "fd_efficientnet_lite0")
    config.evaluation.likelihood_samples = 100
    return config
