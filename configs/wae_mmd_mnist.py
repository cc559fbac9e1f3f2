"""WAE-MMD (Tolstikhin et al. 2018) on MNIST, 28x28: a deterministic encoder, 8 latents, 10 epochs.

The squared error of pixels in [0, 1] has weight 1 and the discrepancy 10. In nats of a Gaussian with sigma 1 on pixels
in [-1, 1] these are 2 and 20. The networks are those of `vae_mnist`.

Paper: Tolstikhin, Bousquet, Gelly and Schoelkopf 2018, Wasserstein auto-encoders.
Published: No number of the paper was verified here.
Differs: PyTorch-VAE divides the Gaussian kernel's exponent twice by the number of latents, so that the kernel is nearly
  constant. It also drops the diagonal of the kernel between latents and prior.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_mnist")
    changes = {"likelihood": "gaussian", "sigma": 1.0, "deterministic_encoder": True, "beta": 0.0}
    config.recipe.update({**changes, "regularizer": "mmd", "regularizer_weight": 20.0})
    config.model.latent_dim = 8
    return config
