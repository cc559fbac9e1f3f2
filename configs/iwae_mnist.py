"""IWAE (Burda et al. 2016) with K = 5 on dynamically binarised MNIST, 28x28: the paper's networks, fewer epochs.

Section 5: two tanh layers of 200 units, 50 latents, Bernoulli likelihood, Adam (0.9, 0.999) with eps 1e-4. The paper's
rate falls from 1e-3 to 1e-4 in 3,280 epochs with batches of 20. Here batches have 100 images, and a cosine falls to 0.
`--config.recipe.iwae_samples=1` gives the paper's VAE.

Paper: Burda, Grosse and Salakhutdinov 2016, Importance weighted autoencoders.
Published: 85.54 nats at K = 5,000 (86.76 for the VAE).
Reached: not trained at full length. fd_efficientnet_lite0 30.15 +- 0.20, KID 0.0428, reconstructions of 20.1 dB and
  SSIM 0.854 after 30,000 steps, 1,049 s on a busy machine (commit b78c5a8), 94.7 +- 0.9 nats at K = 5,000 on 1,000
  images after as many.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.recipe.name = "vae"
    config.recipe.likelihood = "bernoulli"
    config.recipe.iwae_samples = 5
    config.model.name = "mlp_vae"
    config.model.width = 200
    config.model.latent_dim = 50
    config.optimizers.vae.update({"eps": 1e-4, "schedule": "cosine"})
    config.batch_size = 100
    config.evaluation.metrics = ("bits_per_dim", "active_units", *config.evaluation.metrics)
    config.evaluation.likelihood_samples = 100
    return presets.length(config, steps=60_000, every=2_000, per_dispatch=100)  # 100 epochs of 60,000
