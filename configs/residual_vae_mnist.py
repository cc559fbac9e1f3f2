"""Residual VAE on MNIST at 28x28, all 256 gray levels: narrow networks of van den Oord et al. 2017.

Discretised logistic likelihood and 0.1 nats of KL free for each latent (both Kingma et al. 2016), Adam 1e-3, 10 epochs.

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: The paper gives no number for this data set.
Reached: not trained at full length. Width 32: fd_efficientnet_lite0 35.06 +- 0.20, KID 0.0467, reconstructions of 23.1
  dB and SSIM 0.939 after 2,000 steps, 135 s on a busy machine (commit 7c49ca3).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.recipe.name = "vae"
    config.recipe.likelihood = "discretised_logistic"
    config.recipe.free_bits = 0.1
    config.model.name = "residual_vae"
    config.model.width = 64
    config.model.latent_dim = 32
    config.model.batch_norm = False
    config.evaluation.metrics = ("bits_per_dim", "active_units", *config.evaluation.metrics)
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
